//! The specs as they were when the program was built.

/// Files of specs/types by service.
pub const TYPES: &[(&str, &str)] = &[
    ("acm", include_str!("../../specs/types/acm.toml")),
    ("cloudfront", include_str!("../../specs/types/cloudfront.toml")),
    ("ec2", include_str!("../../specs/types/ec2.toml")),
    ("ecs", include_str!("../../specs/types/ecs.toml")),
    ("elasticache", include_str!("../../specs/types/elasticache.toml")),
    ("elb", include_str!("../../specs/types/elb.toml")),
    ("iam", include_str!("../../specs/types/iam.toml")),
    ("logs", include_str!("../../specs/types/logs.toml")),
    ("rds", include_str!("../../specs/types/rds.toml")),
    ("s3", include_str!("../../specs/types/s3.toml")),
    ("secretsmanager", include_str!("../../specs/types/secretsmanager.toml")),
    ("ssm", include_str!("../../specs/types/ssm.toml")),
    ("sts", include_str!("../../specs/types/sts.toml")),
];

/// Files of specs/mastodon by topic, in the order in which inputs are shown.
pub const BLUEPRINT: &[(&str, &str)] = &[
    ("inputs", include_str!("../../specs/mastodon/inputs.toml")),
    ("network", include_str!("../../specs/mastodon/network.toml")),
    ("access", include_str!("../../specs/mastodon/access.toml")),
    ("database", include_str!("../../specs/mastodon/database.toml")),
    ("cache", include_str!("../../specs/mastodon/cache.toml")),
    ("media", include_str!("../../specs/mastodon/media.toml")),
    ("cdn", include_str!("../../specs/mastodon/cdn.toml")),
    ("secrets", include_str!("../../specs/mastodon/secrets.toml")),
    ("config", include_str!("../../specs/mastodon/config.toml")),
    ("load_balancer", include_str!("../../specs/mastodon/load_balancer.toml")),
    ("compute", include_str!("../../specs/mastodon/compute.toml")),
    ("jobs", include_str!("../../specs/mastodon/jobs.toml")),
    ("checks", include_str!("../../specs/mastodon/checks.toml")),
    ("outputs", include_str!("../../specs/mastodon/outputs.toml")),
    ("costs", include_str!("../../specs/mastodon/costs.toml")),
];

/// specs/prices.toml.
pub const PRICES: &str = include_str!("../../specs/prices.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Specs;

    #[test]
    fn no_file_is_forgotten() {
        for (folder, files) in [("types", TYPES), ("mastodon", BLUEPRINT)] {
            let path = format!("{}/specs/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut found: Vec<String> = fs_err::read_dir(path)
                .expect("readable")
                .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
                .collect();
            let mut embedded: Vec<String> = files.iter().map(|(name, _)| format!("{name}.toml")).collect();
            found.sort();
            embedded.sort();
            assert_eq!(found, embedded);
        }
    }

    #[test]
    fn the_specs_make_sense() {
        let specs = Specs::read(&[]).unwrap_or_else(|problems| panic!("{problems}"));
        let problems = specs.lint();
        assert!(problems.0.is_empty(), "{problems}");
    }
}
