//! The suites: what each needs and which cargo commands it is.

use std::process::Command;

use anyhow::Result;

use crate::process::{self, say};
use crate::provision::{axe, browser, grafana, jaeger, network, nginx, otelcol, peers, prometheus, wasm};
use crate::ui;
use crate::workspace::Workspace;

/// The program that holds the end to end tests, those in a browser among them.
const E2E: &str = "e2e";
/// Module of the browser tests in it.
const BROWSER: &str = "browser::";
/// Module of those among them that judge pages by axe-core.
const JUDGED: &str = "browser::judged::";

/// The program that looks for what piles up in a server.
const CHAOS: &str = "chaos";
/// What says for how many seconds it mixes everything.
const SOAK: &str = "POOLSCOPE_SOAK_SECONDS";
/// As long as that takes for itself, and where all suites run.
const LONG_SOAK: u64 = 600;
const SHORT_SOAK: u64 = 60;

/// The program that holds the tests against the real programs that take telemetry.
const STACK: &str = "stack";
/// Module of the tests in it against peers in other languages.
const PEERS: &str = "peers::";

/// Module of the tests in it that check dashboards by what Grafana publishes.
const PUBLISHED: &str = "grafana::published::";

/// Modules of the tests for loom.
const RACES: &str = "races::";

/// A group of tests that needs the same things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Suite {
    /// Library, program, integration and documentation tests of every crate, with all features, and those for loom
    Unit,
    /// Real clients, servers and the dashboard on loopback; unpacks nginx on Debian
    E2e,
    /// The dashboard in a real Chromium; installs chromium and chromium-driver on Debian as root, and axe-core into the cache
    Browser,
    /// The real Collector, Prometheus and Jaeger with the files of collector-config, and peers in Python, JavaScript and Go;
    /// builds them with Go, unpacks them on Debian or installs pinned packages into the cache, once
    Stack,
    /// A server in a process of its own and thousands of clients that vanish, stall, flood and fail: nothing of them is to stay;
    /// all of it mixed for 10 minutes, or for one where all suites run
    Chaos,
}

/// What a suite came to before its tests ran.
pub(super) enum Prepared {
    /// The commands that it is.
    Ready(Vec<Command>),
    /// This machine lacks something, which says nothing about the code.
    Missing(anyhow::Error),
    /// The code is not fit to be tested.
    Broken(anyhow::Error),
}

impl Suite {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::E2e => "e2e",
            Self::Browser => "browser",
            Self::Stack => "stack",
            Self::Chaos => "chaos",
        }
    }

    /// Sets up what the suite needs; `is_one_of_all` where it was not asked for by its name.
    pub(super) fn prepare(self, workspace: &Workspace, is_one_of_all: bool) -> Prepared {
        match self {
            Self::Unit => {
                let mut tests = cargo_test(workspace);
                tests.args(["--lib", "--bins", "--examples"]);
                for name in integration_tests(workspace).filter(|name| ![E2E, STACK, CHAOS].contains(name)) {
                    tests.args(["--test", name]);
                }
                let mut docs = cargo_test(workspace);
                docs.arg("--doc");
                Prepared::Ready(vec![tests, docs, races(workspace)])
            }
            Self::E2e => Prepared::Ready(vec![e2e_tests(workspace)]),
            Self::Browser => {
                let browser = match wasm::ensure(wasm::Choice::Auto).and_then(|_| browser::ensure()) {
                    Ok(browser) => browser,
                    Err(error) => return Prepared::Missing(error),
                };
                match ui::run(workspace, ui::Args::default()) {
                    Ok(()) => Prepared::Ready(browser_tests(workspace, &browser)),
                    Err(error) => Prepared::Broken(error.context("the UI cannot be built")),
                }
            }
            Self::Stack => match stack_tests(workspace) {
                Ok(tests) => {
                    Prepared::Ready(std::iter::once(tests).chain(foreign_tests(workspace)).collect())
                }
                Err(error) => Prepared::Missing(error),
            },
            Self::Chaos => {
                let soak = if is_one_of_all { SHORT_SOAK } else { LONG_SOAK };
                Prepared::Ready(vec![chaos_tests(workspace, soak)])
            }
        }
    }
}

/// The tests that loom runs in every order that their threads can take. What they are built with suits no other test, so
/// that they have a folder of their own beside what the others share.
fn races(workspace: &Workspace) -> Command {
    let mut tests = process::cargo();
    tests.current_dir(&workspace.root);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    tests.env("RUSTFLAGS", format!("{flags} --cfg poolscope_loom").trim_start());
    tests.args([
        "test",
        "--package",
        "poolscope",
        "--no-default-features",
        "--features",
        "breaker,limit,queue,session",
        "--lib",
    ]);
    tests.arg("--target-dir").arg(workspace.target_dir.join("loom"));
    tests.args(["--no-fail-fast", RACES]);
    tests
}

fn e2e_tests(workspace: &Workspace) -> Command {
    let mut tests = cargo_test(workspace);
    tests.args(["--test", E2E, "--", "--skip", BROWSER]);
    match nginx::ensure() {
        // They are ignored elsewhere, so that `cargo test` passes without nginx.
        Ok(nginx) => tests.env("NGINX_BIN", nginx).arg("--include-ignored"),
        Err(error) => {
            say(format!("WARNING: the tests against nginx are skipped: {error:#}"));
            &mut tests
        }
    };
    tests
}

/// Those that need a browser alone, and those that need axe-core too. They are ignored elsewhere, so that `cargo test` passes
/// without a browser. One browser at a time: two on two cores are too slow for the deadlines.
fn browser_tests(workspace: &Workspace, browser: &browser::Browser) -> Vec<Command> {
    let tests = || {
        let mut tests = cargo_test(workspace);
        tests.env("POOLSCOPE_CHROMIUM", &browser.chromium);
        tests.env("POOLSCOPE_CHROMEDRIVER", &browser.chromedriver);
        if std::env::var_os("POOLSCOPE_SCREENSHOTS").is_none() {
            tests.env("POOLSCOPE_SCREENSHOTS", workspace.target_dir.join("screenshots"));
        }
        tests.args(["--test", E2E, "--", "--test-threads=1"]);
        tests
    };
    let mut plain = tests();
    plain.args(["--include-ignored", BROWSER, "--skip", JUDGED]);
    let mut judged = tests();
    judged.arg(JUDGED);
    match axe::ensure(&workspace.root) {
        Ok((variable, script)) => judged.env(variable, script).arg("--include-ignored"),
        Err(error) => {
            say(format!("WARNING: pages are not judged by axe-core: {error:#}"));
            &mut judged
        }
    };
    vec![plain, judged]
}

fn stack_tests(workspace: &Workspace) -> Result<Command> {
    let prometheus = prometheus::ensure()?;
    let mut tests = cargo_test(workspace);
    tests.env(prometheus::PROGRAM, prometheus.server).env(prometheus::TOOL, prometheus.tool);
    tests.env(otelcol::PROGRAM, otelcol::ensure(&workspace.root)?);
    tests.env(jaeger::PROGRAM, jaeger::ensure(&workspace.root)?);
    // They are ignored elsewhere, so that `cargo test` passes without these programs. One world of programs at a time: two on
    // two cores are too slow for the deadlines.
    tests.args(["--test", STACK, "--", "--include-ignored", "--test-threads=1"]);
    tests.args(["--skip", PEERS, "--skip", PUBLISHED]);
    Ok(tests)
}

/// One at a time: each is judged by what its processes hold, and by how soon they let go of it.
fn chaos_tests(workspace: &Workspace, soak: u64) -> Command {
    let mut tests = cargo_test(workspace);
    if std::env::var_os(SOAK).is_none() {
        tests.env(SOAK, soak.to_string());
    }
    // What they measured is worth reading where all is well, too.
    tests.args(["--test", CHAOS, "--", "--test-threads=1", "--nocapture"]);
    match network::ensure() {
        Ok(()) => tests.arg("--include-ignored"),
        Err(error) => {
            say(format!("WARNING: the test whose network goes down is skipped: {error:#}"));
            &mut tests
        }
    };
    tests
}

/// The tests that need programs of other languages. Those of a language that is not there stay ignored, and count as skipped.
fn foreign_tests(workspace: &Workspace) -> impl Iterator<Item = Command> {
    let root = &workspace.root;
    let all = [
        (PUBLISHED.to_owned(), "the dashboards are not checked by Grafana's packages", grafana::ensure(root)),
        (format!("{PEERS}python::"), "the tests against a peer in Python are skipped", peers::python(root)),
        (format!("{PEERS}node::"), "the tests against a peer in JavaScript are skipped", peers::node(root)),
        (format!("{PEERS}go::"), "the tests against a peer in Go are skipped", peers::go(root)),
    ];
    all.into_iter().map(|(module, otherwise, variables)| {
        let mut tests = cargo_test(workspace);
        tests.args(["--test", STACK, "--", "--test-threads=1", &module]);
        match variables {
            Ok(variables) => tests.envs(variables).arg("--include-ignored"),
            Err(error) => {
                say(format!("WARNING: {otherwise}: {error:#}"));
                &mut tests
            }
        };
        tests
    })
}

/// Always the whole workspace with all features, whatever is then run: another choice would build dependencies again.
fn cargo_test(workspace: &Workspace) -> Command {
    let mut command = process::cargo();
    command.current_dir(&workspace.root);
    command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    command
}

fn integration_tests(workspace: &Workspace) -> impl Iterator<Item = &str> {
    let targets = workspace.packages.iter().filter_map(|package| package["targets"].as_array()).flatten();
    targets.filter(|target| target["kind"][0] == "test").filter_map(|target| target["name"].as_str())
}
