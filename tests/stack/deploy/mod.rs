//! The files that are copied to run the stack: Collector, compose, Kubernetes. What can be said of them without the
//! programs is checked in every run of the tests.

mod agent_gateway;
mod compose;
mod configs;
mod kubernetes;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use poolscope_tests::stack::{file, text};
use serde_json::Value;

const AGENT: &str = "collector-config/collector/agent.yaml";
const GATEWAY: &str = "collector-config/collector/gateway.yaml";
const REMOTE_WRITE: &str = "collector-config/collector/remote-write.yaml";
const VENDOR: &str = "collector-config/collector/vendor.yaml";
const COLLECTORS: [&str; 4] = [AGENT, GATEWAY, REMOTE_WRITE, VENDOR];
const JAEGER: &str = "collector-config/jaeger/config.yaml";

/// The documents of a YAML file, with anchors and merge keys resolved.
fn documents(yaml: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(yaml)
        .map(|document| {
            let mut value: serde_yaml_ng::Value = serde::Deserialize::deserialize(document).unwrap();
            value.apply_merge().unwrap();
            serde_json::to_value(value).unwrap()
        })
        .collect()
}

/// A file of one document.
fn yaml(path: &str) -> Value {
    let mut documents = documents(&text(path).unwrap());
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

/// `${env:NAME:-default}` in the files of the Collector and of Jaeger: the names, with their defaults.
fn variables(path: &str) -> BTreeSet<(String, Option<String>)> {
    let text = text(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let inner =
        lines.flat_map(|line| line.split("${env:").skip(1)).map(|rest| rest.split('}').next().unwrap());
    inner
        .map(|inner| match inner.split_once(":-") {
            Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
            None => (inner.to_owned(), None),
        })
        .collect()
}

/// A program of a Go module at a version, without a step to install it: Go keeps what it has built.
fn go_run(program: &str) -> Command {
    let usual = PathBuf::from("/usr/local/go/bin/go");
    let mut command = Command::new(if usual.is_file() { usual } else { "go".into() });
    command.current_dir(std::env::temp_dir()).args(["run", program]);
    command
}

/// What a program writes; it has to end well.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a program says about a file that it does not take.
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(!output.status.success(), "{command:?} took it");
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// A folder that is gone at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(poolscope_tests::stack::Program::folder(name).unwrap())
    }

    /// A file of the repository with one change.
    fn changed(&self, path: &str, from: &str, to: &str) -> PathBuf {
        let text = text(path).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        let changed = self.0.join(file(path).file_name().unwrap());
        std::fs::write(&changed, text.replace(from, to)).unwrap();
        changed
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Another test's failure is told, not that its leavings stay.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
