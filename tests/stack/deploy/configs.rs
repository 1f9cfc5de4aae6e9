//! The configurations of Collector and Jaeger: parts, variables and ports agree with what is built and documented, and the
//! real programs take them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use poolscope_tests::stack::{Program, file, text};

use super::{
    AGENT, COLLECTORS, GATEWAY, JAEGER, REMOTE_WRITE, Scratch, VENDOR, output, refusal, variables, yaml,
};

/// Name of a component's module, by the kind of the component and its name in a configuration.
fn module(kind: &str, name: &str) -> String {
    let name = name.split('/').next().unwrap();
    match (kind, name) {
        ("exporters", "otlp_grpc") => "otlpexporter".to_owned(),
        _ => format!("{}{}", name.replace('_', ""), kind.trim_end_matches('s')),
    }
}

#[test]
fn the_manifest_has_exactly_what_the_configurations_use() {
    let kinds = ["receivers", "processors", "exporters", "connectors", "extensions"];
    // What the bench of ingest takes beside them.
    let mut used = BTreeSet::from(["nopexporter".to_owned()]);
    for path in COLLECTORS {
        let config = yaml(path);
        for kind in kinds {
            let names = config[kind].as_object().into_iter().flat_map(|parts| parts.keys());
            used.extend(names.map(|name| module(kind, name)));
        }
    }
    let manifest = yaml("collector-config/otelcol/manifest.yaml");
    let modules = |kind: &str| {
        let entries = manifest[kind].as_array().unwrap().iter();
        entries.map(|entry| entry["gomod"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let built: BTreeSet<_> = kinds
        .iter()
        .flat_map(|kind| modules(kind))
        .map(|module| module.split(' ').next().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(built, used);

    let versions = |modules: Vec<String>| -> BTreeSet<String> {
        modules.iter().map(|module| module.split(' ').nth(1).unwrap().to_owned()).collect()
    };
    let versions: Vec<_> = kinds.iter().map(|kind| versions(modules(kind))).collect();
    assert!(versions.iter().all(|all| *all == versions[0] && all.len() == 1), "{versions:?}");
    let dockerfile = text("collector-config/otelcol/Dockerfile").unwrap();
    let version = versions[0].first().unwrap();
    assert!(dockerfile.contains(&format!("builder@{version}")), "the image is not built by {version}");
}

#[test]
fn every_variable_has_a_default() {
    for path in COLLECTORS.into_iter().chain([JAEGER]) {
        for (name, default) in variables(path) {
            assert!(default.is_some(), "{path}: {name}");
        }
    }
}

/// Rows of a table of the README: its cells, without the marks of code.
fn rows(section: &str) -> Vec<Vec<String>> {
    let readme = text("collector-config/README.md").unwrap();
    let section = readme.split("\n## ").find(|part| part.starts_with(section)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

#[test]
fn ports_are_those_of_the_readme() {
    let mut defaults = BTreeMap::<String, BTreeSet<String>>::new();
    for path in COLLECTORS.into_iter().chain([JAEGER]) {
        for (name, default) in variables(path) {
            let default = default.unwrap();
            let port = default.rsplit(':').next().unwrap().to_owned();
            if name.ends_with("_LISTEN") || name.ends_with("_PORT") || name.ends_with("_OTLP_GRPC") {
                assert!(!default.contains(':') || default.starts_with("127.0.0.1:"), "{path}: {default}");
                defaults.entry(name).or_default().insert(port);
            }
        }
    }
    let mut told = BTreeSet::new();
    for row in rows("Ports") {
        let [port, who, _, by] = &row[..] else { panic!("{row:?}") };
        for name in by.split(", ").filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')) {
            let ports = defaults.get(name).unwrap_or_else(|| panic!("{who}: nothing reads {name}"));
            assert!(ports.contains(port) && ports.len() == 1, "{who}: {name} is {ports:?}, not {port}");
            told.insert(name.to_owned());
        }
    }
    assert_eq!(told, defaults.into_keys().collect());
}

#[test]
fn every_file_is_in_the_readme() {
    let told: Vec<_> = rows("Files").into_iter().map(|row| row[0].clone()).collect();
    let folder = file("collector-config");
    for name in &told {
        assert!(folder.join(name).exists(), "the README tells of {name}");
    }
    for path in COLLECTORS.into_iter().chain([JAEGER]) {
        let name = path.trim_start_matches("collector-config/");
        assert!(told.iter().any(|told| told == name), "the README does not tell of {name}");
    }
}

fn validate(files: &[&str]) -> Command {
    let collector = Program::find("OTELCOL_BIN", &["otelcol-poolscope", "otelcol-contrib"]).unwrap();
    let mut command = Command::new(collector);
    command.arg("validate");
    for path in files {
        command.arg(format!("--config={}", file(path).display()));
    }
    command
}

#[test]
#[ignore = "needs the Collector"]
fn the_collector_takes_every_combination() {
    let gateway: [&[&str]; 4] =
        [&[GATEWAY], &[GATEWAY, REMOTE_WRITE], &[GATEWAY, VENDOR], &[GATEWAY, REMOTE_WRITE, VENDOR]];
    for files in gateway.into_iter().chain([&[AGENT][..]]) {
        output(&mut validate(files));
    }
    let scratch = Scratch::new("validate");
    let wrong = scratch.changed(GATEWAY, "metric_expiration", "metric_expires");
    let said = refusal(&mut validate(&[wrong.to_str().unwrap()]));
    assert!(said.contains("metric_expires"), "{said}");
}

#[test]
#[ignore = "needs Jaeger"]
fn jaeger_takes_its_configuration() {
    let jaeger = Program::find("JAEGER_BIN", &["jaeger"]).unwrap();
    let validate = |config: &str| {
        let mut command = Command::new(&jaeger);
        command.arg("validate").arg(format!("--config={config}"));
        command
    };
    output(&mut validate(file(JAEGER).to_str().unwrap()));
    let scratch = Scratch::new("validate");
    let wrong = scratch.changed(JAEGER, "max_traces", "most_traces");
    let said = refusal(&mut validate(wrong.to_str().unwrap()));
    assert!(said.contains("most_traces"), "{said}");
}

/// What the README says to add to a Collector that is there already.
#[test]
#[ignore = "needs the Collector"]
fn the_collector_takes_the_addition_of_the_readme() {
    let readme = text("collector-config/README.md").unwrap();
    let section = readme.split("\n## ").find(|part| part.starts_with("A Collector")).unwrap();
    let addition = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let theirs = "{ receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:0 } } } } }";
    let collector = || {
        let mut command = validate(&[]);
        command.arg(format!("--config=yaml:{theirs}"));
        command
    };
    let scratch = Scratch::new("addition");
    let path = scratch.0.join("addition.yaml");
    std::fs::write(&path, addition).unwrap();
    output(collector().arg(format!("--config={}", path.display())));
    std::fs::write(
        &path,
        addition.replace("exporters: [otlp_grpc/poolscope]", "exporters: [otlp_grpc/other]"),
    )
    .unwrap();
    let said = refusal(collector().arg(format!("--config={}", path.display())));
    assert!(said.contains("otlp_grpc/other"), "{said}");
}

#[test]
fn the_readme_names_the_variables_of_the_vendor() {
    let readme = text("collector-config/README.md").unwrap();
    for (name, _) in variables(VENDOR).into_iter().chain(variables(REMOTE_WRITE)) {
        assert!(readme.contains(&name), "{name}");
    }
}
