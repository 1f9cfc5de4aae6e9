//! The rules for Prometheus: understood, tested, and about metrics that there are.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use poolscope_tests::stack::{Prometheus, file};
use serde_json::Value;

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
    let tests = ["pools", "protection", "process", "sessions", "telemetry"]
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
    let metrics: BTreeSet<_> = rules.iter().flat_map(|rule| metrics(&query(rule))).collect();
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

/// Names of the metrics in a query: words outside of selectors and lists of labels, and those that a selector names.
fn metrics(query: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut outside, mut rest) = (String::new(), query);
    while let Some(open) = rest.find(['{', '"']) {
        outside.push_str(&rest[..open]);
        outside.push(' ');
        let close = rest[open..].find('}').map_or(rest.len(), |close| open + close + 1);
        let selector = &rest[open..close];
        if let Some((_, named)) = selector.split_once("__name__=~\"") {
            names.extend(named.split('"').next().unwrap().split('|').map(str::to_owned));
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
        names.extend(
            words
                .filter(|word| word.starts_with("poolscope") || word.starts_with("http_client"))
                .map(str::to_owned),
        );
    }
    names
}

#[test]
fn metrics_are_told_from_labels() {
    let query = r#"sum by (job, poolscope_client_name) (rate(poolscope_a_total{poolscope_b="c|d"}[5m])) / on (job, poolscope_breaker_name) group by (job) ({__name__=~"poolscope_e|poolscope_f"}) > scalar(poolscope:threshold:g)"#;
    let expected = ["poolscope:threshold:g", "poolscope_a_total", "poolscope_e", "poolscope_f"];
    assert_eq!(metrics(query), expected.map(str::to_owned).into());
}
