//! The compose file, as far as it can be judged where nothing runs containers.

use std::collections::BTreeSet;

use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::stack::{file, text};
use serde_json::Value;

use super::{GATEWAY, JAEGER, Scratch, go_run, output, refusal, variables, yaml};

const COMPOSE: &str = "collector-config/compose.yaml";
/// Reads a compose file as docker compose does: schema, interpolation, consistency.
const READER: &str = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2";

fn services() -> Vec<(String, Value)> {
    let compose = yaml(COMPOSE);
    compose["services"].as_object().unwrap().clone().into_iter().collect()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|entry| entry.as_str().unwrap())
}

/// An image with a version that says what is in it: all numbers of it, not a name that moves.
pub(super) fn pinned(image: &str) -> bool {
    let Some((name, tag)) = image.rsplit_once(':') else { return false };
    let version = tag.trim_start_matches('v').split('-').next().unwrap();
    let numbers = version.split('.').filter(|part| part.parse::<u32>().is_ok()).count();
    // Debian's releases have two.
    numbers >= if name == "debian" { 2 } else { 3 }
}

#[test]
fn images_are_pinned() {
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        assert!(pinned(image), "{name}: {image}");
        let Some(build) = service.get("build") else { continue };
        let (context, dockerfile) = match build {
            Value::String(context) => (context.as_str(), "Dockerfile"),
            build => (build["context"].as_str().unwrap(), build["dockerfile"].as_str().unwrap()),
        };
        let path = format!("collector-config/{context}/{dockerfile}");
        for base in text(&path).unwrap().lines().filter_map(|line| line.strip_prefix("FROM ")) {
            assert!(pinned(base.split(' ').next().unwrap()), "{path}: {base}");
        }
    }
    assert!(pinned("debian:12.11-slim") && pinned("prom/prometheus:v3.7.3"));
    for moving in ["alpine", "alpine:latest", "golang:1.26-alpine", "debian:bookworm-slim", "host:5000/name"]
    {
        assert!(!pinned(moving), "{moving}");
    }
}

#[test]
fn services_are_watched_and_confined() {
    let all = services();
    for (name, service) in &all {
        let test: Vec<_> = strings(&service["healthcheck"]["test"]).collect();
        assert_eq!(test.first(), Some(&"CMD"), "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        assert!(service["mem_limit"].is_string(), "{name}");
        for port in strings(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
        for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(condition["condition"], "service_healthy", "{name} on {other}");
            assert!(all.iter().any(|(name, _)| name == other), "{name} on {other}");
        }
    }
}

#[test]
fn what_is_mounted_is_there() {
    let volumes = yaml(COMPOSE)["volumes"].clone();
    for (name, service) in services() {
        for mount in strings(&service["volumes"]) {
            let source = mount.split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(file("collector-config").join(source).exists(), "{name}: {mount}");
                assert!(mount.ends_with(":ro"), "{name}: {mount}");
            } else {
                assert!(volumes.get(source).is_some(), "{name}: {mount}");
            }
        }
    }
}

#[test]
fn what_is_set_is_read() {
    let known = |path| variables(path).into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>();
    for (service, config) in [("collector", GATEWAY), ("jaeger", JAEGER)] {
        let compose = yaml(COMPOSE);
        let set = compose["services"][service]["environment"].as_object().unwrap();
        for (name, value) in set {
            assert!(known(config).contains(name), "{service}: {name} is not read");
            // A listener that others reach, or a service by its name and the port that it listens on.
            let (host, _) = value.as_str().unwrap().rsplit_once(':').unwrap();
            assert!(
                host == "0.0.0.0" || compose["services"].get(host).is_some(),
                "{service}: {name}={value}"
            );
        }
    }
    let jaeger = yaml(COMPOSE)["services"]["jaeger"]["environment"]["JAEGER_OTLP_GRPC_LISTEN"].clone();
    let collector = yaml(COMPOSE)["services"]["collector"]["environment"]["JAEGER_OTLP_GRPC"].clone();
    let port = |address: &Value| address.as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    assert_eq!(port(&jaeger), port(&collector));
}

#[test]
fn published_ports_are_those_of_the_readme() {
    let readme = text("collector-config/README.md").unwrap();
    let mut seen = BTreeSet::new();
    for (name, service) in services() {
        for port in strings(&service["ports"]) {
            let [_, outside, inside] = port.split(':').collect::<Vec<_>>()[..] else {
                panic!("{name}: {port}")
            };
            assert_eq!(outside, inside, "{name}");
            assert!(readme.contains(&format!("| {outside} |")), "{name}: the README has no port {outside}");
            assert!(seen.insert(outside.to_owned()), "{outside} twice");
        }
    }
}

/// The URL that a health check asks, without the address.
pub(super) fn health_path(service: &str) -> String {
    let compose = yaml(COMPOSE);
    let test = &compose["services"][service]["healthcheck"]["test"];
    let url = strings(test).last().unwrap().to_owned();
    let path = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).map(|(_, path)| path);
    format!("/{}", path.unwrap_or_else(|| panic!("{service} asks {url}")))
}

/// The dashboard's image has no HTTP client, so bash speaks to it.
#[tokio::test]
async fn the_health_check_of_the_dashboard_works() {
    let mut dashboard = Dashboard::start().await.unwrap();
    let port = dashboard.http().port().to_string();
    let compose = yaml(COMPOSE);
    let test: Vec<_> = strings(&compose["services"]["dashboard"]["healthcheck"]["test"]).collect();
    let check = |from: &str, to: &str| {
        let script = test[3].replace("4320", &port).replace(from, to);
        tokio::process::Command::new(test[1])
            .args([test[2], &script])
            .stderr(std::process::Stdio::null())
            .status()
    };
    assert!(check("", "").await.unwrap().success());
    assert!(!check("/healthz", "/api/v1/nothing").await.unwrap().success());
    dashboard.stop().await.unwrap();
    assert!(!check("", "").await.unwrap().success());
}

#[test]
#[ignore = "needs Go"]
fn compose_takes_the_file() {
    let read = |path: &std::path::Path| {
        let mut command = go_run(READER);
        command.arg(path);
        command
    };
    let model = output(&mut read(&file(COMPOSE)));
    assert!(model.contains("condition: service_healthy"), "{model}");
    let scratch = Scratch::new("compose");
    for (from, to) in [("healthcheck:", "health_check:"), ("service_healthy", "service_well")] {
        refusal(&mut read(&scratch.changed(COMPOSE, from, to)));
    }
}
