//! The rules for Prometheus: understood, tested, and about metrics that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use poolscope_tests::deaf::Deaf;
use poolscope_tests::stack::{Behind, Collector, Prometheus, file};
use poolscope_tests::wait;
use serde_json::{Value, json};

use crate::filled::Filled;

const FOLDER: &str = "collector-config/prometheus";

/// Runs promtool in the folder of the configuration.
fn promtool(args: &[&str], files: &str) {
    let mut command: Command = Prometheus::promtool().unwrap();
    let folder = file(FOLDER);
    let mut names: Vec<_> = fs::read_dir(folder.join(files))
        .unwrap()
        .map(|entry| format!("{files}/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    let output = command.current_dir(folder).args(args).args(names).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
#[ignore = "needs promtool"]
fn the_configuration_and_the_rules_are_understood() {
    promtool(&["check", "rules"], "rules");
    let mut check = Prometheus::promtool().unwrap();
    let output =
        check.current_dir(file(FOLDER)).args(["check", "config", "prometheus.yml"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("3 rule files found"), "{said}");
}

#[test]
#[ignore = "needs promtool"]
fn every_alert_fires_when_it_must_and_only_then() {
    promtool(&["test", "rules"], "tests");
}

/// Alerts in the rules, each with what the tests and the runbook say of it.
#[test]
fn every_alert_is_tested_and_told_of() {
    let read = |path: &str| fs::read_to_string(file(FOLDER).join(path)).unwrap();
    let named = |text: &str, before: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(before));
        lines.map(|name| name.trim().to_owned()).collect()
    };
    let alerts = named(&read("rules/alerts.yml"), "- alert: ");
    assert!(alerts.len() >= 20, "{alerts:?}");
    assert_eq!(named(&read("README.md"), "### "), alerts);
    let tests = ["pools", "protection", "process", "servers", "sessions", "telemetry"]
        .map(|name| read(&format!("tests/{name}.yml")));
    for alert in &alerts {
        let asked = format!("alertname: {alert}\n        exp_alerts:");
        let asks = |then: &str| tests.iter().any(|test| test.contains(&format!("{asked}{then}")));
        assert!(asks("\n"), "no test expects {alert}");
        assert!(asks(" []"), "no test expects {alert} not to fire");
    }
    let anchors = named(&read("rules/alerts.yml"), "runbook_url: ");
    for alert in alerts.iter().map(|alert| alert.to_lowercase()) {
        assert!(anchors.iter().any(|url| url.ends_with(&format!("/{FOLDER}/README.md#{alert}"))), "{alert}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector and Prometheus"]
async fn every_rule_is_about_metrics_that_there_are() {
    let filled = Filled::start().await;
    let groups = filled.prometheus.get("rules", &[]).await.unwrap();
    let rules: Vec<_> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    let query = |rule: &Value| rule["query"].as_str().unwrap().to_owned();
    let metrics: BTreeSet<_> = rules.iter().flat_map(|rule| metrics(&query(rule), &OURS)).collect();
    assert!(metrics.len() > 50, "{metrics:?}");
    let mut questions: Vec<_> = metrics.into_iter().map(|name| (name.clone(), vec![name])).collect();
    for rule in rules.iter().filter(|rule| rule["type"] == "recording") {
        let name = rule["name"].as_str().unwrap().to_owned();
        questions.push((format!("the rule {name}"), vec![name]));
    }
    filled.must_answer(questions).await;

    let groups = filled.prometheus.get("rules", &[]).await.unwrap();
    for rule in
        groups["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap())
    {
        assert_eq!((rule["health"].as_str(), rule["lastError"].as_str()), (Some("ok"), None), "{rule}");
    }
}

/// Three signals that a Collector can't hand on are told of by the metrics that the rules ask for. Most of these are there
/// only once something was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector and Prometheus"]
async fn what_a_collector_loses_is_told_of() {
    // Its queue has room for one request, and the next one waits for an answer that does not come.
    let silent = Deaf::silent().await.unwrap();
    let behind = Behind { dashboard: Some(silent.addr().unwrap()), jaeger: None };
    let exporter = "{ timeout: 1s, retry_on_failure: { enabled: false }, sending_queue: { queue_size: 1, num_consumers: 1 } }";
    let short = format!("yaml:{{ exporters: {{ otlp_grpc/dashboard: {exporter} }} }}");
    let gateway = file("collector-config/collector/gateway.yaml");
    let collector = Collector::start_with(&[&gateway, Path::new(&short)], behind, &[]).await.unwrap();
    let prometheus = Prometheus::start(&collector).await.unwrap();

    let groups = prometheus.get("rules", &[]).await.unwrap();
    let rules =
        groups["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let queries = rules.map(|rule| rule["query"].as_str().unwrap());
    let asked: BTreeSet<_> = queries.flat_map(|query| metrics(query, &["otelcol_"])).collect();
    assert_eq!(asked.len(), 9, "{asked:?}");
    let client = reqwest::Client::new();
    let missing = async || {
        for (path, body) in one_of_each() {
            let url = format!("http://{}/v1/{path}", collector.http());
            assert_eq!(client.post(url).json(&body).send().await.unwrap().status(), 200, "{path}");
        }
        let mut missing = Vec::new();
        for name in &asked {
            if prometheus.query(&format!("{name}{{job=\"poolscope-collector\"}}")).await.unwrap().is_empty() {
                missing.push(name.clone());
            }
        }
        let alerts = prometheus.query("ALERTS{alertname=\"PoolscopeCollectorDrops\"}").await.unwrap();
        let told: BTreeSet<_> = alerts.iter().map(|alert| alert.label("signal").to_owned()).collect();
        (missing, told)
    };
    let signals = ["events", "metric points", "spans"].map(str::to_owned);
    wait::until("metrics and alerts of what was lost", missing, |(missing, told)| {
        missing.is_empty() && told.iter().eq(&signals)
    })
    .await;
}

/// A request of each signal, in JSON, by the end of its path.
fn one_of_each() -> [(&'static str, Value); 3] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().to_string();
    let span = json!({
        "traceId": "01".repeat(16), "spanId": "01".repeat(8), "name": "lost", "startTimeUnixNano": now,
        "endTimeUnixNano": now,
    });
    let metric = json!({"name": "lost", "gauge": {"dataPoints": [{"timeUnixNano": now, "asInt": "1"}]}});
    let record = json!({"timeUnixNano": now, "body": {"stringValue": "lost"}});
    [
        ("traces", json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})),
        ("metrics", json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})),
        ("logs", json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})),
    ]
}

/// How the names of what services send begin.
const OURS: [&str; 3] = ["poolscope", "http_client", "http_server"];

/// Names of the metrics in a query that begin in one of some ways: words outside of texts, selectors and lists of
/// labels, and those that a selector names.
fn metrics(query: &str, begin: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let is_asked = |name: &&str| begin.iter().any(|begin| name.starts_with(begin));
    let (mut outside, mut rest) = (String::new(), query);
    while let Some(open) = rest.find(['{', '"']) {
        outside.push_str(&rest[..open]);
        outside.push(' ');
        let end = if rest[open..].starts_with('{') { '}' } else { '"' };
        let close = rest[open + 1..].find(end).map_or(rest.len(), |close| open + 1 + close + 1);
        let selector = &rest[open..close];
        if let Some((_, named)) = selector.split_once("__name__=~\"") {
            let named = named.split('"').next().unwrap().split('|');
            names.extend(named.filter(is_asked).map(str::to_owned));
        }
        rest = &rest[close..];
    }
    outside.push_str(rest);
    let outside = outside.replace(" on (", " by (");
    let outside = outside.split(" by (").enumerate().map(|(place, part)| match part.split_once(')') {
        Some((_, after)) if place > 0 => after,
        _ => part,
    });
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    for part in outside {
        let words = part.split(|letter| !is_part(letter));
        names.extend(words.filter(is_asked).map(str::to_owned));
    }
    names
}

#[test]
fn metrics_are_told_from_labels() {
    let query = r#"sum by (job, poolscope_client_name) (rate(poolscope_a_total{poolscope_b="c|d"}[5m])) / on (job, poolscope_breaker_name) group by (job) (label_replace({__name__=~"poolscope_e|poolscope_f"}, "poolscope_g", "", "", "")) > scalar(poolscope:threshold:g)"#;
    let expected = ["poolscope:threshold:g", "poolscope_a_total", "poolscope_e", "poolscope_f"];
    assert_eq!(metrics(query, &OURS), expected.map(str::to_owned).into());
}
