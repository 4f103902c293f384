//! moto: the emulator most tests run against.
//!
//! What it answers differently from AWS is written where a test meets it, as a gap of that test. What it does not know
//! at all and every instance needs is added to it: see `moto_additions.py`.

use std::sync::OnceLock;

use aws_credential_types::Credentials;

use super::emulator::{Emulator, Program, Server, fresh_account};
use super::python;

const SCRIPT: &str = "from moto.server import main
main(['-H', '127.0.0.1', '-p', str(PORT)])
";

/// What moto does not have.
const ADDITIONS: &str = include_str!("moto_additions.py");

/// Everything that moto keeps of an account.
const INVENTORY: &str = include_str!("inventory.py");

const ENVIRONMENT: &[(&str, &str)] = &[
    // Services become steady with one task.
    ("MOTO_ECS_SERVICE_RUNNING", "1"),
    // Certificates are issued after a second.
    ("MOTO_ACM_VALIDATION_WAIT", "1"),
    // AWS's own policies exist.
    ("MOTO_IAM_LOAD_MANAGED_POLICIES", "true"),
    // Nobody starts virtual machines here, and their images take long to load in every account.
    ("MOTO_EC2_LOAD_DEFAULT_AMIS", "false"),
];

/// An empty account in moto, which is started if it does not run yet.
///
/// moto has another account for whoever takes on a role in it.
pub fn start() -> Emulator {
    account_in(server())
}

/// An empty account in a server of one's own.
pub fn account_in(server: &Server) -> Emulator {
    let account = fresh_account();
    let scope = "test/20260101/us-east-1/sts/aws4_request";
    let headers = format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={scope}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    );
    let role = format!("arn:aws:iam::{account}:role/test");
    let body = format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=test&RoleArn={role}");
    let answer = server.http("POST /", &headers, &body).expect("an answer to AssumeRole");
    let element = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {answer}"));
        rest.split('<').next().unwrap_or_default().to_owned()
    };
    let token = element("SessionToken");
    let credentials = Credentials::new(element("AccessKeyId"), element("SecretAccessKey"), Some(token), None, "test");
    server.account(&account, credentials)
}

/// The one that all tests share.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| server_with(SCRIPT, &[]))
}

/// A server of its own: for tests that change how all of it behaves.
pub fn server_with(script: &str, environment: &[(&str, &str)]) -> Server {
    let python = python::environment("moto", include_str!("requirements.txt"));
    let environment = [ENVIRONMENT, environment].concat();
    let script = format!("{ADDITIONS}\n{INVENTORY}\n{script}");
    Server::start(&Program { python: &python, script: &script, environment: &environment, ready: "/moto-api/" })
}
