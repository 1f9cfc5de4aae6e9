//! The program itself: what it prints, and what it refuses.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use poolscope_wire::{Status, path};

use crate::{TOKEN, client, file, until};

const KEY: &str = "0123456789abcdef-key";

pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poolscope-dashboard"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POOLSCOPE_"))
    {
        command.env_remove(name);
    }
    command.args(args);
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Ends the program when dropped.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_configuration_in_force_is_printed_with_its_sources_and_without_secrets() {
    let config = file("program.toml", "retention = 60\nmax-pools = 10\nmax-events = 3\n");
    let mut command = program(&["--print-config", "--max-pools", "5", "--config", config.to_str().unwrap()]);
    command.env("POOLSCOPE_OTLP_API_KEY", KEY).env("POOLSCOPE_MAX_EVENTS", "7");
    let (code, out, _) = run(&mut command);
    assert_eq!(code, Some(0));
    let source = |key: &str| {
        let line = out.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}: {out}"));
        line.rsplit_once("  # ").unwrap().1.to_owned()
    };
    assert_eq!(source("retention = 60"), format!("{}:1", config.display()));
    assert_eq!(source("max-pools = 5"), "flag");
    assert_eq!(source("max-events = 7"), "environment POOLSCOPE_MAX_EVENTS");
    assert_eq!(source("# otlp-api-key = ***"), "environment POOLSCOPE_OTLP_API_KEY");
    assert!(!out.contains(KEY));
}

#[test]
fn rules_are_a_list_in_a_file_and_a_flag_that_is_repeated() {
    let config = file("rules.toml", "rule = [\"low_reuse=0.5\", \"long_waits=0.2/2\", \"leak=off\"]\n");
    let config = config.to_str().unwrap();
    let (code, of_file, said) = run(&mut program(&["--print-config", "--config", config]));
    assert_eq!(code, Some(0), "{said}");
    let line =
        of_file.lines().find(|line| line.starts_with("rule = [")).unwrap_or_else(|| panic!("{of_file}"));
    for rule in ["low_reuse=0.5", "long_waits=0.2/2", "leak=off"] {
        assert!(line.contains(rule), "{line}");
    }
    assert!(line.contains("rules.toml:1"), "{line}");
    let flags = ["--print-config", "--rule", "low_reuse=0.5", "--rule", "long_waits=0.2/2,leak=off"];
    let (_, of_flags, _) = run(&mut program(&flags));
    let rules = |text: &str| {
        text.lines().find_map(|line| Some(line.strip_prefix("rule = ")?.split('#').next()?.trim().to_owned()))
    };
    assert_eq!(rules(&of_file), rules(&of_flags));
    let wrong = file("norule.toml", "\nrule = [\"low_reuse=0.5\", \"lo_reuse=1\"]\n");
    let (code, _, said) = run(&mut program(&["--config", wrong.to_str().unwrap()]));
    assert_eq!(code, Some(2));
    assert!(said.contains("norule.toml:2") && said.contains("low_reuse"), "{said}");
}

#[test]
fn what_can_not_be_meant_ends_with_a_sentence() {
    let config = file("slip.toml", "\nretnetion = 60\n");
    let (code, _, said) = run(&mut program(&["--config", config.to_str().unwrap()]));
    assert_eq!(code, Some(2));
    assert_eq!(
        said,
        format!(
            "poolscope-dashboard: {}:2: unknown key `retnetion`: did you mean `retention`?\n",
            config.display()
        )
    );
    let (code, _, said) = run(&mut program(&["--retnetion", "60"]));
    assert!(code == Some(2) && said.contains("--retention"), "{said}");
    let (code, _, said) = run(&mut program(&[
        "--http-addr",
        "0.0.0.0:0",
        "--otlp-grpc-addr",
        "127.0.0.1:0",
        "--otlp-http-addr",
        "127.0.0.1:0",
        "--login",
        "none",
    ]));
    assert!(code == Some(1) && said.contains("--allow-anonymous"), "{said}");
    let (code, _, said) =
        run(program(&["--otlp-grpc-addr", "127.0.0.1:0"]).env("POOLSCOPE_OTLP_API_KEY", "short"));
    assert!(code == Some(2) && said.contains("16 characters"), "{said}");
}

#[test]
fn what_the_environment_says_wrongly_is_told_with_its_variable() {
    let (code, _, said) = run(program(&["--print-config"]).env("POOLSCOPE_RETENTON", "60"));
    assert_eq!(code, Some(2));
    assert_eq!(
        said,
        "poolscope-dashboard: the environment variable POOLSCOPE_RETENTON is not known: did you mean \
         POOLSCOPE_RETENTION? Rename it, or take it away\n"
    );
    let (code, _, said) = run(program(&["--print-config"]).env("POOLSCOPE_MAX_POOLS", "0"));
    assert!(code == Some(2) && said.contains("'0' for 'POOLSCOPE_MAX_POOLS (--max-pools)'"), "{said}");
    let both = &["--print-config", "--max-pools", "0"];
    let (_, _, said) = run(program(both).env("POOLSCOPE_MAX_POOLS", "5"));
    assert!(said.contains("'0' for '--max-pools <N>'"), "{said}");
    let (code, _, said) = run(program(&["--print-config"]).env("POOLSCOPE_ALLOW_ANONYMOUS", "flase"));
    assert!(code == Some(2) && said.contains("true or false is wanted"), "{said}");
    for (value, is_on) in [("1", true), ("TRUE", true), ("0", false), ("", false)] {
        let (_, out, said) = run(program(&["--print-config"]).env("POOLSCOPE_ALLOW_ANONYMOUS", value));
        assert!(out.contains(&format!("allow-anonymous = {is_on}")), "{value}: {said}");
    }
}

#[test]
fn settings_of_what_is_not_asked_for_are_no_silent_ones() {
    for (flag, value, wanted) in [
        ("--prometheus-url", "http://127.0.0.1:9090", "--source prometheus"),
        ("--store-max-mb", "64", "--store FILE"),
    ] {
        let mut command = program(&[flag, value]);
        let any = "127.0.0.1:0";
        command.args(["--http-addr", any, "--otlp-grpc-addr", any, "--otlp-http-addr", any]);
        let (code, _, said) = run(&mut command);
        assert_eq!(code, Some(1));
        assert!(said.contains(flag) && said.contains(wanted), "{said}");
    }
}

#[test]
fn the_help_has_groups_units_and_examples() {
    let (code, help, _) = run(&mut program(&["--help"]));
    assert_eq!(code, Some(0));
    for part in [
        "Access:",
        "TLS:",
        "Addresses and time:",
        "Examples:",
        "<SECONDS>",
        "<BYTES>",
        "POOLSCOPE_RETENTION",
        "Configuration file",
        "--source prometheus --prometheus-url",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "RUST_LOG",
    ] {
        assert!(help.contains(part), "{part}");
    }
}

#[test]
fn the_link_is_printed_once_and_what_is_open_is_warned_of() {
    let mut command = program(&[
        "--http-addr",
        "0.0.0.0:0",
        "--otlp-grpc-addr",
        "0.0.0.0:0",
        "--otlp-http-addr",
        "127.0.0.1:0",
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Ending(command.spawn().unwrap());
    let out: Vec<String> =
        BufReader::new(child.0.stdout.take().unwrap()).lines().take(4).map(Result::unwrap).collect();
    let link = out[3].strip_prefix("login      http://127.0.0.1:").unwrap();
    assert!(link.contains("/login?t="), "{out:?}");
    let said: Vec<String> =
        BufReader::new(child.0.stderr.take().unwrap()).lines().take(2).map(Result::unwrap).collect();
    let said = said.join("\n");
    for part in ["without TLS", "there is no key"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn secrets_stand_in_no_log_and_in_no_figure() {
    let log = file("secrets.log", "");
    let any = "127.0.0.1:0";
    let mut command = program(&["--http-addr", any, "--otlp-grpc-addr", any, "--otlp-http-addr", any]);
    command.args(["--login", "token", "--allow-control", "--store", "/nowhere/at/all/history"]);
    command.env("RUST_LOG", "trace");
    command.env("POOLSCOPE_LOGIN_TOKEN", TOKEN).env("POOLSCOPE_OTLP_API_KEY", KEY);
    command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
    let mut child = Ending(command.spawn().unwrap());
    let out: Vec<String> =
        BufReader::new(child.0.stdout.take().unwrap()).lines().take(4).map(Result::unwrap).collect();
    let url = |line: usize, name: &str| out[line].strip_prefix(name).unwrap().trim().to_owned();
    let (page, otlp, link) = (url(0, "dashboard"), url(2, "otlp/http"), url(3, "login"));
    let login = client().get(&link).send().await.unwrap();
    assert_eq!(login.status(), 303);
    let cookie = login.headers()["set-cookie"].to_str().unwrap().split([';', '=']).nth(1).unwrap().to_owned();
    let sent = client().post(format!("{otlp}/v1/metrics")).header("x-otlp-api-key", KEY).body("{");
    assert!(!sent.header("content-type", "application/json").send().await.unwrap().status().is_success());
    let mut told = String::new();
    for path in [path::STATUS, path::METRICS, path::CONTROL, "/api/v1/nothing"] {
        let asked = client().get(format!("{page}{path}")).bearer_auth(TOKEN).send().await.unwrap();
        told.push_str(&asked.text().await.unwrap());
    }
    drop(child);
    let written = std::fs::read_to_string(&log).unwrap();
    assert!(written.contains("history is not kept"), "it writes down what it can: {written}");
    assert!(!written.contains('\u{1b}'), "a file has no colours: {written}");
    for secret in [TOKEN, KEY, &*cookie] {
        assert!(!told.contains(secret), "{told}");
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_hangup_reads_the_keys_again_where_there_are_some() {
    let keys = file("hangup-keys", &format!("{KEY}\n"));
    let any = "127.0.0.1:0";
    let mut command = program(&["--http-addr", any, "--otlp-grpc-addr", any, "--otlp-http-addr", any]);
    command.env("POOLSCOPE_OTLP_API_KEY_FILE", &keys).stdout(Stdio::piped());
    let mut child = Ending(command.spawn().unwrap());
    let out: Vec<String> =
        BufReader::new(child.0.stdout.take().unwrap()).lines().take(3).map(Result::unwrap).collect();
    let url = format!("{}{}", out[0].strip_prefix("dashboard  ").unwrap(), path::STATUS);
    let hangup = Command::new("kill").args(["-HUP", &child.0.id().to_string()]).status().unwrap();
    assert!(hangup.success());
    // The file is as it was, so nothing but the signal can have it read.
    until("the keys were read again", async || {
        let status: Status = client().get(&url).send().await.unwrap().json().await.unwrap();
        status.own.reloads == 1
    })
    .await;
}
