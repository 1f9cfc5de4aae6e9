//! What the files of Grafana name is there: data sources, dashboards, variables.

use std::collections::{BTreeMap, BTreeSet};

use poolscope_tests::stack;
use serde_json::Value;

use super::{DASHBOARDS, boards, each, text};

const PROVISIONING: &str = "collector-config/grafana/provisioning";

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&stack::text(&format!("{PROVISIONING}/{path}")).unwrap()).unwrap()
}

/// Every text in a JSON document.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_data_sources_that_are_named_are_provisioned() {
    let sources = yaml("datasources/poolscope.yml");
    let uids: BTreeSet<_> = each(&sources, "/datasources").map(|source| text(source, "/uid")).collect();
    assert_eq!(uids, ["poolscope-jaeger", "poolscope-prometheus"].into());
    let defaults = each(&sources, "/datasources").filter(|source| source["isDefault"] == true);
    assert_eq!(defaults.map(|source| text(source, "/type")).collect::<Vec<_>>(), ["prometheus"]);
    for source in each(&sources, "/datasources") {
        assert!(text(source, "/url").starts_with('$'), "{source}");
        for exemplars in each(source, "/jsonData/exemplarTraceIdDestinations") {
            assert!(uids.contains(text(exemplars, "/datasourceUid")), "{exemplars}");
        }
    }
    for (name, board) in boards() {
        // By the variable, so that a dashboard works with any Prometheus; only links name what is provisioned.
        for panel in each(&board, "/panels").flat_map(|panel| each(panel, "/targets").chain([panel])) {
            let uid = text(panel, "/datasource/uid");
            assert!(uid == "${datasource}" || text(panel, "/type") == "row", "{name}: {uid}");
        }
        for link in texts(&board).into_iter().filter(|text| text.starts_with("/explore")) {
            assert!(uids.iter().any(|uid| link.contains(uid)), "{name}: {link}");
        }
    }
}

#[test]
fn the_dashboards_are_found_where_they_are_mounted() {
    let providers = yaml("dashboards/poolscope.yml");
    let paths: Vec<_> =
        each(&providers, "/providers").map(|provider| text(provider, "/options/path")).collect();
    assert_eq!(paths, ["/etc/grafana/dashboards"]);
    assert!(stack::file(DASHBOARDS).is_dir());
}

#[test]
fn links_lead_to_dashboards_that_have_these_variables() {
    let variables: BTreeMap<_, BTreeSet<_>> = boards()
        .iter()
        .map(|(_, board)| {
            let names = each(board, "/templating/list").map(|variable| text(variable, "/name").to_owned());
            (text(board, "/uid").to_owned(), names.collect())
        })
        .collect();
    assert_eq!(variables.len(), boards().len(), "two dashboards have one uid");
    let mut links = 0;
    for (name, board) in boards() {
        for link in texts(&board).into_iter().filter_map(|text| text.strip_prefix("/d/")) {
            let (uid, query) = link.split_once('?').unwrap();
            let known = variables.get(uid).unwrap_or_else(|| panic!("{name}: there is no dashboard {uid}"));
            for variable in query.split('&').filter_map(|part| part.strip_prefix("var-")?.split('=').next()) {
                assert!(known.contains(variable), "{name}: {uid} has no variable {variable}");
            }
            links += 1;
        }
    }
    assert!(links >= 2, "there are {links} links");
}

#[test]
fn every_panel_says_what_it_shows() {
    for (name, board) in boards() {
        let mut ids = BTreeSet::new();
        for panel in each(&board, "/panels") {
            let title = text(panel, "/title");
            assert!(ids.insert(panel["id"].as_u64()), "{name}: {title} has the id of another panel");
            if text(panel, "/type") != "row" {
                assert!(text(panel, "/description").len() > 15, "{name}: {title} has no description");
                let unit =
                    panel.pointer("/fieldConfig/defaults/unit").or(panel.pointer("/options/yAxis/unit"));
                let has_own = ["table", "state-timeline"].contains(&text(panel, "/type"));
                assert!(unit.is_some() || has_own, "{name}: {title} has no unit");
            }
        }
    }
}
