//! The dashboards for Grafana: valid, provisioned, and without a panel that stays empty.

mod provisioned;
mod published;
mod queries;

use std::fs;
use std::path::PathBuf;

use poolscope_tests::stack::file;
use serde_json::Value;

const DASHBOARDS: &str = "collector-config/grafana/dashboards";

/// The files of the dashboards.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(file(DASHBOARDS)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files
}

/// The dashboards, by the names of their files.
fn boards() -> Vec<(String, Value)> {
    files()
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let board = serde_json::from_str(&fs::read_to_string(path).unwrap());
            (name.clone(), board.unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect()
}

/// The elements of an array in a dashboard; none if it is not there.
fn each<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
