//! Settings that the blueprint's patterns and checks accept, warn of and refuse.

use mastoform::config;
use mastoform::diagnostic::SourceFile;
use mastoform::expr::Evaluator;
use mastoform::spec::Specs;

use super::{changed, completed};
use crate::support::instance::{EXAMPLE, Instance};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What is said of the example with these lines before its tables.
fn said(lines: &str) -> Result<String, String> {
    let mut specs = Specs::read(&[]).expect("valid specs");
    let source = SourceFile::new("mastodon.toml", format!("{lines}\n{EXAMPLE}"));
    match config::read(&source, &mut specs.blueprint, &Evaluator::new()) {
        Ok((_, warnings)) => Ok(warnings.to_string()),
        Err(problems) => Err(problems.to_string()),
    }
}

#[test]
fn images_are_named_by_tag_or_by_digest() {
    for image in ["ghcr.io/mastodon/mastodon:v4.7.3", "registry.example:5000/fork:v1", "glitch:v4.7.3"] {
        assert_eq!(said(&format!("image = \"{image}\"")), Ok(String::new()), "{image}");
    }
    for setting in ["image", "streaming_image", "psql.image"] {
        let by_digest = format!("{setting} = \"ghcr.io/mastodon/mastodon@{DIGEST}\"");
        assert_eq!(said(&by_digest), Ok(String::new()));
        for wrong in ["ghcr.io/mastodon/mastodon", "ghcr.io/mastodon/mastodon@sha256:0123", "a:v1 --privileged"] {
            let problems = said(&format!("{setting} = \"{wrong}\"")).expect_err(wrong);
            assert!(problems.contains(setting) && problems.contains("mastodon.toml:1"), "{problems}");
        }
    }
}

#[test]
fn plain_redis_is_warned_about() {
    let warnings = said("redis.engine = \"redis\"").expect("a warning");
    assert!(warnings.contains("neither TLS nor a token") && warnings.contains("mastodon.toml:1"), "{warnings}");
    assert_eq!(said("redis.engine = \"valkey\""), Ok(String::new()));
}

#[tokio::test]
async fn a_headers_policy_of_ones_own_takes_the_place_of_ours() {
    const OWN: &str = "eaab4381-ed33-4a86-88ca-d9558dc6cd63";
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let text = format!("media.headers_policy = \"{OWN}\"\n{EXAMPLE}");
    let (plan, outcome) = instance.go(&text, true).await.expect("applies");
    let mut names = changed(&plan);
    names.sort();
    assert_eq!(names, ["delete cloudfront.response_headers_policy.media", "update cloudfront.distribution.media"]);
    completed(outcome);
    let state = instance.state().expect("a state");
    let row = &state.rows[&"cloudfront.distribution.media".parse().expect("an address")];
    let id = row.inputs.at(&["default_cache_behavior", "response_headers_policy_id"]).and_then(|id| id.as_text());
    assert_eq!(id, Some(OWN));
}
