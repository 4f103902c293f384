//! AWS's Cloud Control API as far as tests need it: no emulator has it.
//!
//! Written after the API's model (`cloudcontrol`, 2021-09-30, as the AWS SDKs have it). It knows what the model says and
//! nothing of the services behind it: requests with tokens, which are `PENDING`, then `IN_PROGRESS`, then `SUCCESS` or
//! `FAILED` with an error code; client tokens, by which a request that is made again is the same request; one operation
//! at a time on a resource; patch documents. Time passes with every look at a request, and with every call that is
//! refused because of it: each brings the request one status further.
//!
//! Softer than AWS: properties are not validated, nothing is throttled, and client tokens never expire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::{Map, Value as Json, json};

use super::emulator::REGION;

/// The account of whoever asks.
pub const ACCOUNT: &str = "123456789012";

/// What the server knows of a type.
struct Schema {
    name: &'static str,
    /// Its primary identifier, in order.
    identifier: &'static [&'static str],
    create_only: &'static [&'static str],
    /// What is never shown, and gone after a change that does not repeat it.
    write_only: &'static [&'static str],
    /// What AWS adds to the properties of a new one.
    add: fn(&mut Map<String, Json>, usize),
    is_listed: bool,
}

const SCHEMAS: &[Schema] = &[
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topic.html
    Schema {
        name: "AWS::SNS::Topic",
        identifier: &["TopicArn"],
        create_only: &["TopicName", "FifoTopic"],
        write_only: &[],
        add: |properties, _| {
            let name = properties.get("TopicName").and_then(Json::as_str).unwrap_or_default();
            let arn = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}");
            properties.insert("TopicArn".to_owned(), arn.into());
        },
        is_listed: true,
    },
    // Something with all that makes a type hard: an identifier of two parts, of which AWS chooses one, a property that
    // cannot be read, no list of all.
    Schema {
        name: "AWS::Toy::Box",
        identifier: &["Shelf", "Id"],
        create_only: &["Shelf"],
        write_only: &["Key"],
        add: |properties, number| {
            properties.insert("Id".to_owned(), format!("box-{number}").into());
        },
        is_listed: false,
    },
];

/// One request for an operation.
#[derive(Clone)]
struct Request {
    token: String,
    client_token: String,
    operation: &'static str,
    kind: String,
    identifier: Option<String>,
    status: &'static str,
    code: Option<String>,
    message: Option<String>,
    /// What it was asked for: desired state or patch document.
    asked: Json,
    number: usize,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answered,
    /// It has no effect, and no answer.
    LostBefore,
    /// It has its effect, and no answer.
    LostAfter,
}

type Watch = Box<dyn FnMut(&str) -> Fate + Send>;

#[derive(Default)]
struct Cloud {
    /// Properties by type and identifier.
    resources: BTreeMap<(String, String), Map<String, Json>>,
    requests: Vec<Request>,
    made: usize,
    /// What the next requests for these operations fail with.
    failures: VecDeque<(&'static str, &'static str, String)>,
    /// Every call, with what was sent.
    calls: Vec<(String, Json)>,
    watch: Option<Watch>,
}

/// A running server; its threads live as long as the program.
#[derive(Clone)]
pub struct CloudControl {
    port: u16,
    cloud: Arc<Mutex<Cloud>>,
}

/// A refusal of a call: its code, and whether it is AWS's fault.
struct Refused(&'static str, String);

type Answer = Result<Json, Refused>;

impl CloudControl {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, cloud: Arc::default() };
        let shared = server.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                // A client that goes away ends its thread; that is no error.
                thread::spawn(move || shared.serve(&client));
            }
        });
        server
    }

    /// For `AWS_ENDPOINT_URL_CLOUDCONTROL`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The SDK's configuration for it.
    pub fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(self.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
            .build()
    }

    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().expect("no thread panics with it")
    }

    /// The properties of everything there is of a type, what is never shown too.
    pub fn all(&self, kind: &str) -> Vec<Json> {
        let cloud = self.cloud();
        let of_kind = cloud.resources.iter().filter(|((name, _), _)| name == kind);
        of_kind.map(|(_, properties)| Json::Object(properties.clone())).collect()
    }

    /// Changes something by hand, as somebody in the console does. Null takes a property away.
    pub fn edit(&self, kind: &str, property: &str, value: Json) {
        for ((name, _), properties) in &mut self.cloud().resources {
            if name == kind && value.is_null() {
                properties.remove(property);
            } else if name == kind {
                properties.insert(property.to_owned(), value.clone());
            }
        }
    }

    /// Makes something by hand.
    pub fn put(&self, kind: &str, properties: Json) {
        let mut cloud = self.cloud();
        cloud.made += 1;
        let number = cloud.made;
        let schema = schema(kind).unwrap_or_else(|_| panic!("no type {kind}"));
        let mut properties = properties.as_object().cloned().expect("a table");
        (schema.add)(&mut properties, number);
        cloud.resources.insert((kind.to_owned(), identifier(schema, &properties)), properties);
    }

    /// Deletes everything of a type.
    pub fn clear(&self, kind: &str) {
        self.cloud().resources.retain(|(name, _), _| name != kind);
    }

    /// Lets the next request for an operation end badly.
    pub fn fail(&self, operation: &'static str, code: &'static str, message: &str) {
        self.cloud().failures.push_back((operation, code, message.to_owned()));
    }

    /// Decides what becomes of every call, by its name.
    pub fn watch(&self, watch: impl FnMut(&str) -> Fate + Send + 'static) {
        self.cloud().watch = Some(Box::new(watch));
    }

    /// The calls of a name since the last time, with what was sent.
    pub fn calls(&self, name: &str) -> Vec<Json> {
        let mut cloud = self.cloud();
        let (taken, left) = std::mem::take(&mut cloud.calls).into_iter().partition(|(called, _)| called == name);
        cloud.calls = left;
        let taken: Vec<(String, Json)> = taken;
        taken.into_iter().map(|(_, sent)| sent).collect()
    }

    /// How many requests for an operation there were, whatever became of them.
    pub fn requests(&self, operation: &str) -> usize {
        self.cloud().requests.iter().filter(|request| request.operation == operation).count()
    }

    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut reader = BufReader::new(client);
        let mut writer = client;
        while let Some((action, body)) = call(&mut reader)? {
            if action == "GetCallerIdentity" {
                writer.write_all(&caller())?;
                continue;
            }
            let sent: Json = serde_json::from_slice(&body).unwrap_or_default();
            let answer = {
                let mut cloud = self.cloud();
                let fate = cloud.watch.as_mut().map_or(Fate::Answered, |watch| watch(&action));
                if fate == Fate::LostBefore {
                    return Ok(());
                }
                cloud.calls.push((action.clone(), sent.clone()));
                let answer = cloud.answer(&action, &sent);
                if fate == Fate::LostAfter {
                    return Ok(());
                }
                answer
            };
            let (status, body) = match answer {
                Ok(body) => ("200 OK", body),
                Err(Refused(code, message)) => ("400 Bad Request", json!({ "__type": code, "Message": message })),
            };
            let body = body.to_string();
            let head = format!("Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n", body.len());
            write!(writer, "HTTP/1.1 {status}\r\n{head}\r\n{body}")?;
        }
        Ok(())
    }
}

impl Cloud {
    fn answer(&mut self, action: &str, sent: &Json) -> Answer {
        match action {
            "CreateResource" => {
                let schema = schema(text(sent, "TypeName"))?;
                let desired = parsed(sent, "DesiredState")?;
                if !desired.is_object() {
                    return Err(Refused("InvalidRequestException", "the desired state is no table".to_owned()));
                }
                self.accepted("CREATE", schema, sent, None, desired)
            }
            "UpdateResource" => {
                let schema = schema(text(sent, "TypeName"))?;
                self.must_be_there(sent)?;
                let patch = parsed(sent, "PatchDocument")?;
                self.accepted("UPDATE", schema, sent, Some(text(sent, "Identifier")), patch)
            }
            "DeleteResource" => {
                let schema = schema(text(sent, "TypeName"))?;
                self.accepted("DELETE", schema, sent, Some(text(sent, "Identifier")), Json::Null)
            }
            "GetResource" => {
                let schema = schema(text(sent, "TypeName"))?;
                let properties = self.must_be_there(sent)?;
                let shown: Map<String, Json> = properties
                    .iter()
                    .filter(|(name, _)| !schema.write_only.contains(&name.as_str()))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                let shown = Json::Object(shown).to_string();
                let description = json!({ "Identifier": text(sent, "Identifier"), "Properties": shown });
                Ok(json!({ "TypeName": schema.name, "ResourceDescription": description }))
            }
            "ListResources" => {
                let schema = schema(text(sent, "TypeName"))?;
                if !schema.is_listed {
                    return Err(Refused("UnsupportedActionException", format!("{} has no LIST", schema.name)));
                }
                let of_kind = self.resources.keys().filter(|(kind, _)| kind == schema.name);
                let identifiers: Vec<&String> = of_kind.map(|(_, identifier)| identifier).collect();
                // Two on a page.
                let start =
                    sent.get("NextToken").and_then(Json::as_str).and_then(|token| token.parse().ok()).unwrap_or(0);
                let page: Vec<Json> = identifiers
                    .iter()
                    .skip(start)
                    .take(2)
                    .map(|identifier| json!({ "Identifier": identifier, "Properties": "{}" }))
                    .collect();
                let mut answer = json!({ "TypeName": schema.name, "ResourceDescriptions": page });
                if start + 2 < identifiers.len() {
                    answer["NextToken"] = (start + 2).to_string().into();
                }
                Ok(answer)
            }
            "GetResourceRequestStatus" => {
                let token = text(sent, "RequestToken");
                let Some(at) = self.requests.iter().position(|request| request.token == token) else {
                    return Err(Refused("RequestTokenNotFoundException", format!("there is no request {token}")));
                };
                self.go_on(at);
                Ok(json!({ "ProgressEvent": self.requests[at].event() }))
            }
            "ListResourceRequests" => {
                (0..self.requests.len()).for_each(|at| self.go_on(at));
                let filter = &sent["ResourceRequestStatusFilter"];
                let allows = |key: &str, value: &str| match filter[key].as_array() {
                    Some(allowed) => allowed.iter().any(|one| one == value),
                    None => true,
                };
                let wanted = self.requests.iter().filter(|request| {
                    allows("Operations", request.operation) && allows("OperationStatuses", request.status)
                });
                let events: Vec<Json> = wanted.map(Request::event).collect();
                Ok(json!({ "ResourceRequestStatusSummaries": events }))
            }
            // What an apply asks of other services when it begins: nothing is there.
            "GetParameter" => Err(Refused("ParameterNotFound", "there is none".to_owned())),
            "GetResources" => Ok(json!({ "ResourceTagMappingList": [] })),
            other => Err(Refused("InvalidAction", format!("there is no action {other}"))),
        }
    }

    fn must_be_there(&self, sent: &Json) -> Result<&Map<String, Json>, Refused> {
        let key = (text(sent, "TypeName").to_owned(), text(sent, "Identifier").to_owned());
        let not_found = || Refused("ResourceNotFoundException", format!("{} {} was not found", key.0, key.1));
        self.resources.get(&key).ok_or_else(not_found)
    }

    fn accepted(
        &mut self,
        operation: &'static str,
        schema: &Schema,
        sent: &Json,
        identifier: Option<&str>,
        asked: Json,
    ) -> Answer {
        let client_token = text(sent, "ClientToken").to_owned();
        if let Some(same) = self.requests.iter().find(|request| request.client_token == client_token) {
            let is_same = same.operation == operation && same.kind == schema.name && same.asked == asked;
            return match is_same {
                true => Ok(json!({ "ProgressEvent": same.event() })),
                false => Err(Refused("ClientTokenConflictException", format!("{client_token} was used before"))),
            };
        }
        let is_busy = |request: &&Request| {
            request.is_under_way() && identifier.is_some() && request.identifier.as_deref() == identifier
        };
        if let Some(other) = self.requests.iter().position(|request| is_busy(&request)) {
            let message = format!("{} is under way", self.requests[other].operation);
            self.go_on(other);
            return Err(Refused("ConcurrentOperationException", message));
        }
        let number = self.requests.len() + 1;
        let request = Request {
            token: format!("00000000-0000-0000-0000-{number:012}"),
            client_token,
            operation,
            kind: schema.name.to_owned(),
            identifier: identifier.map(str::to_owned),
            status: "PENDING",
            code: None,
            message: None,
            asked,
            number,
        };
        let event = request.event();
        self.requests.push(request);
        Ok(json!({ "ProgressEvent": event }))
    }

    /// Brings a request one status further; the last step has the effect.
    fn go_on(&mut self, at: usize) {
        match self.requests[at].status {
            "PENDING" => self.requests[at].status = "IN_PROGRESS",
            "IN_PROGRESS" => {
                let operation = self.requests[at].operation;
                let failure = self.failures.iter().position(|(failing, ..)| *failing == operation);
                let outcome = match failure.and_then(|at| self.failures.remove(at)) {
                    Some((_, code, message)) => Err((code, message)),
                    None => self.done(&self.requests[at].clone()),
                };
                let request = &mut self.requests[at];
                match outcome {
                    Ok(identifier) => {
                        request.status = "SUCCESS";
                        request.identifier = Some(identifier);
                    }
                    Err((code, message)) => {
                        request.status = "FAILED";
                        request.code = Some(code.to_owned());
                        request.message = Some(message);
                    }
                }
            }
            _ => {}
        }
    }

    /// The effect of a request: the identifier of what it is about, or a code and a message.
    fn done(&mut self, request: &Request) -> Result<String, (&'static str, String)> {
        let schema = schema(&request.kind).map_err(|_| ("InternalFailure", String::new()))?;
        let missing = || ("NotFound", "it does not exist".to_owned());
        match request.operation {
            "CREATE" => {
                let mut properties = request.asked.as_object().cloned().unwrap_or_default();
                (schema.add)(&mut properties, request.number);
                let identifier = identifier(schema, &properties);
                let key = (request.kind.clone(), identifier.clone());
                if self.resources.contains_key(&key) {
                    return Err(("AlreadyExists", format!("{identifier} already exists")));
                }
                self.made += 1;
                self.resources.insert(key, properties);
                Ok(identifier)
            }
            operation => {
                let identifier = request.identifier.clone().unwrap_or_default();
                let key = (request.kind.clone(), identifier.clone());
                let properties = self.resources.get_mut(&key).ok_or_else(missing)?;
                if operation == "DELETE" {
                    self.resources.remove(&key);
                } else {
                    *properties = patched(schema, properties, &request.asked)?;
                }
                Ok(identifier)
            }
        }
    }
}

impl Request {
    fn is_under_way(&self) -> bool {
        ["PENDING", "IN_PROGRESS"].contains(&self.status)
    }

    fn event(&self) -> Json {
        let mut event = json!({
            "TypeName": self.kind,
            "RequestToken": self.token,
            "Operation": self.operation,
            "OperationStatus": self.status,
            "EventTime": 1_790_000_000.0,
        });
        for (key, value) in
            [("Identifier", &self.identifier), ("ErrorCode", &self.code), ("StatusMessage", &self.message)]
        {
            if let Some(value) = value {
                event[key] = value.as_str().into();
            }
        }
        event
    }
}

fn schema(kind: &str) -> Result<&'static Schema, Refused> {
    let not_found = || Refused("TypeNotFoundException", format!("there is no type {kind}"));
    SCHEMAS.iter().find(|schema| schema.name == kind).ok_or_else(not_found)
}

fn identifier(schema: &Schema, properties: &Map<String, Json>) -> String {
    let parts = schema.identifier.iter().map(|name| properties.get(*name).and_then(Json::as_str).unwrap_or_default());
    parts.collect::<Vec<_>>().join("|")
}

/// Properties after a patch document, as RFC 6902 has it.
fn patched(
    schema: &Schema,
    properties: &Map<String, Json>,
    patch: &Json,
) -> Result<Map<String, Json>, (&'static str, String)> {
    let mut document = Json::Object(properties.clone());
    let mut told = BTreeSet::new();
    for operation in patch.as_array().into_iter().flatten() {
        let path = text(operation, "path");
        let wrong = |why: &str| Err(("InvalidRequest", format!("{path}: {why}")));
        let (parent, last) = path.rsplit_once('/').unwrap_or_default();
        let last = last.replace("~1", "/").replace("~0", "~");
        let top = path.split('/').nth(1).unwrap_or_default();
        if schema.create_only.contains(&top) {
            return Err(("NotUpdatable", format!("#{path} is create-only")));
        }
        told.insert(top.to_owned());
        let Some(Json::Object(table)) = document.pointer_mut(parent) else { return wrong("no such table") };
        match text(operation, "op") {
            "add" => drop(table.insert(last, operation["value"].clone())),
            "replace" if table.contains_key(&last) => drop(table.insert(last, operation["value"].clone())),
            "remove" if table.contains_key(&last) => drop(table.remove(&last)),
            _ => return wrong("there is nothing"),
        }
    }
    let Json::Object(mut properties) = document else { return Err(("InternalFailure", String::new())) };
    properties.retain(|name, _| !schema.write_only.contains(&name.as_str()) || told.contains(name));
    Ok(properties)
}

fn text<'json>(from: &'json Json, key: &str) -> &'json str {
    from.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// A document within a document.
fn parsed(sent: &Json, key: &str) -> Answer {
    let invalid = |error: serde_json::Error| Refused("InvalidRequestException", format!("{key}: {error}"));
    serde_json::from_str(text(sent, key)).map_err(invalid)
}

/// The next call: its action, and what was sent. Nothing at the end of the stream.
fn call(reader: &mut impl BufRead) -> io::Result<Option<(String, Vec<u8>)>> {
    let (mut action, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            "x-amz-target" => value.trim().rsplit('.').next().unwrap_or_default().clone_into(&mut action),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if action.is_empty() {
        let form = String::from_utf8_lossy(&body).into_owned();
        let named = form.split('&').find_map(|pair| pair.strip_prefix("Action="));
        named.unwrap_or_default().clone_into(&mut action);
    }
    Ok(Some((action, body)))
}

/// Who is asking.
fn caller() -> Vec<u8> {
    let result =
        format!("<Arn>arn:aws:iam::{ACCOUNT}:user/test</Arn><UserId>test</UserId><Account>{ACCOUNT}</Account>");
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult>{result}</GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
