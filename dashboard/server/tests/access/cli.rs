//! The subcommands: the real program asks a real server.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use poolscope_semconv::value::BreakerState;
use poolscope_semconv::{attr, event, metric};
use poolscope_wire::WIRE_VERSION;
use serde_json::{Value as Json, json};

use crate::program::program;
use crate::{Running, TOKEN, file};

/// Sends a report of a pool whose name wants to do something to the terminal.
async fn send(server: &Running) {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let attributes = [
        text(attr::SERVER_ADDRESS, "pay\u{1b}[2J\u{202e}"),
        text(attr::URL_SCHEME, "https"),
        text(attr::HTTP_CONNECTION_STATE, "active"),
    ];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let body = json!({ "resourceMetrics": [{
        "resource": { "attributes": [text(attr::SERVICE_NAME, "shop"), text(attr::SERVICE_INSTANCE_ID, "one")] },
        "scopeMetrics": [{ "metrics": [{
            "name": metric::HTTP_CLIENT_OPEN_CONNECTIONS.name,
            "sum": { "aggregationTemporality": 2, "dataPoints": [
                { "attributes": attributes, "timeUnixNano": now.to_string(), "asInt": "3" },
            ] },
        }] }],
    }] });
    let url = format!("http://{}/v1/metrics", server.otlp);
    assert!(server.client.post(url).json(&body).send().await.unwrap().status().is_success());
}

/// Runs the program against a server; its token is in a file.
async fn ask(
    url: String,
    token: Option<&Path>,
    args: &'static [&'static str],
) -> (Option<i32>, String, String) {
    let token = token.map(Path::to_owned);
    let run = move || {
        let mut command = program(args);
        command.args(["--url", &url]);
        if let Some(token) = token {
            command.arg("--token-file").arg(token);
        }
        command.output().unwrap()
    };
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

async fn server() -> Running {
    Running::with(|config| {
        config.access.login = poolscope_dashboard::config::Login::Token;
        config.access.login_token = TOKEN.parse().ok();
    })
    .await
}

#[tokio::test]
async fn snapshot_tells_the_pool_as_a_document_and_as_text() {
    let server = server().await;
    send(&server).await;
    let url = format!("http://{}", server.http);
    let token = file("cli.token", &format!("{TOKEN}\n"));
    let (code, out, said) = ask(url.clone(), Some(&token), &["snapshot", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let document: Json = serde_json::from_str(&out).unwrap();
    assert_eq!((&document["schema_version"], &document["wire_version"]), (&json!(1), &json!(WIRE_VERSION)));
    let pool = &document["pools"][0];
    assert_eq!((&pool["service"], &pool["now"]["active"]), (&json!("shop"), &json!(3)), "{out}");

    let (code, out, said) = ask(url.clone(), Some(&token), &["snapshot", "--fail-on", "bad"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(out.lines().any(|line| line.contains("shop") && line.contains("pay")), "{out}");
    assert!(!out.contains(['\u{1b}', '\u{202e}']), "{out:?}");
    let (code, out, said) = ask(url, Some(&token), &["snapshot", "--json", "--service", "shop"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(serde_json::from_str::<Json>(&out).unwrap()["pools"][0]["service"], json!("shop"));
}

#[tokio::test]
async fn a_service_that_nobody_knows_is_told_with_those_that_are_known() {
    let server = Running::with(|_| {}).await;
    let url = format!("http://{}", server.http);
    let bank: &[&str] = &["snapshot", "--json", "--fail-on", "bad", "--service", "bank"];
    let (code, out, said) = ask(url.clone(), None, bank).await;
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(said.contains("no service is named \"bank\"; known are: none yet"), "{said}");
    send(&server).await;
    let (code, _, said) = ask(url, None, bank).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("no service is named \"bank\"; known are: shop"), "{said}");
}

#[tokio::test]
async fn who_stops_reading_is_no_failure() {
    let server = Running::with(|_| {}).await;
    let url = format!("http://{}", server.http);
    let run = move || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        program(&["snapshot", "--url", &url]).stdout(writer).output().unwrap()
    };
    let Output { status, stderr, .. } = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap().as_str()), (Some(0), ""));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let printed = program(&["--print-config"]).stdout(writer).output().unwrap();
    assert_eq!((printed.status.code(), printed.stderr), (Some(0), Vec::new()));
}

#[tokio::test]
async fn the_exit_code_tells_how_bad_it_is_and_that_nobody_knows() {
    let server = server().await;
    send(&server).await;
    let url = format!("http://{}", server.http);
    let token = file("exit.token", TOKEN);
    let code = async |args| ask(url.clone(), Some(&token), args).await.0;
    assert_eq!(code(&["snapshot", "--fail-on", "warn"]).await, Some(0));
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let states = [BreakerState::Closed, BreakerState::Open].map(BreakerState::as_str);
    let attributes = [
        text(attr::BREAKER_NAME, "pay"),
        text(attr::BREAKER_FROM, states[0]),
        text(attr::BREAKER_TO, states[1]),
    ];
    let record = json!({ "eventName": event::BREAKER_TRANSITION, "attributes": attributes });
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
    let logs =
        server.client.post(format!("http://{}/v1/logs", server.otlp)).json(&logs).send().await.unwrap();
    assert!(logs.status().is_success());
    assert_eq!(code(&["snapshot"]).await, Some(0), "nobody asked for more");
    assert_eq!(code(&["snapshot", "--json", "--fail-on", "bad"]).await, Some(2));
    assert_eq!(code(&["snapshot", "--fail-on", "warn"]).await, Some(2));
    // Not how bad it is, but that nobody can tell; and that nobody knows what is asked for.
    let wrong = file("exit.wrong", "0123456789abcdef-not-it");
    assert_eq!(ask(url.clone(), Some(&wrong), &["snapshot", "--fail-on", "bad"]).await.0, Some(1));
    for args in [&["snapshot", "--fail-on", "worse"][..], &["snapshot", "--jsn"], &["top", "--json"]] {
        let command = program(args).output().unwrap();
        assert_eq!(command.status.code(), Some(2), "{args:?}");
    }
}

#[tokio::test]
async fn who_can_not_ask_is_told_what_to_do() {
    let server = server().await;
    let url = format!("http://{}", server.http);
    let wrong = file("wrong.token", "0123456789abcdef-not-it");
    for (url, token, words) in [
        (url.clone(), None, "POOLSCOPE_LOGIN_TOKEN"),
        (url.clone(), Some(&wrong), "does not know this token"),
        (format!("http://{}", server.otlp), None, "no Poolscope dashboard"),
        ("127.0.0.1:4320".to_owned(), None, "--url"),
        // The port is free for as long as nobody may have it.
        ("http://127.0.0.1:1".to_owned(), None, "nothing listens"),
    ] {
        let (code, out, said) = ask(url, token.map(std::path::PathBuf::as_path), &["snapshot"]).await;
        assert_eq!((code, &*out), (Some(1), ""), "{said}");
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
    }
    let (code, _, said) = ask(url, None, &["top"]).await;
    assert!(code == Some(1) && said.contains("snapshot"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn top_draws_on_a_terminal_and_gives_it_back() {
    use std::fs::File;
    use std::io::{Read as _, Write as _};

    use nix::pty::{Winsize, openpty};
    use nix::sys::termios::tcgetattr;

    let server = server().await;
    send(&server).await;
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let before = tcgetattr(&pty.slave).unwrap();
    let mut command = program(&["top", "--url", &format!("http://{}", server.http)]);
    command.env("POOLSCOPE_LOGIN_TOKEN", TOKEN).env("TERM", "xterm");
    let [input, output] = [(); 2].map(|()| pty.slave.try_clone().unwrap());
    let mut child = command.stdin(input).stdout(output).spawn().unwrap();
    // It keeps the ends of the program open.
    drop(command);
    let mut of_bank = program(&["top", "--service", "bank", "--url", &format!("http://{}", server.http)]);
    let [input, output] = [(); 2].map(|()| pty.slave.try_clone().unwrap());
    of_bank.env("POOLSCOPE_LOGIN_TOKEN", TOKEN).stdin(input).stdout(output).stderr(Stdio::piped());
    let ended = tokio::task::spawn_blocking(move || of_bank.output().unwrap()).await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8(ended.stderr).unwrap().contains("known are: shop"));
    let mut terminal = File::from(pty.master);
    let slave = pty.slave;
    let work = move || {
        let mut seen = String::new();
        let mut until = |terminal: &mut File, words: &str| {
            let mut bytes = [0; 4_096];
            while !seen.contains(words) {
                let read = terminal.read(&mut bytes).unwrap();
                seen += &String::from_utf8_lossy(&bytes[..read]);
            }
        };
        until(&mut terminal, "pay");
        assert_ne!(tcgetattr(&slave).unwrap(), before, "keys come at once");
        // A terminal that grows is filled at the next drawing: its last line is far below the one of before.
        let mut stty = Command::new("stty");
        stty.args(["rows", "40", "cols", "100"]).stdin(slave.try_clone().unwrap());
        assert!(stty.status().unwrap().success());
        until(&mut terminal, "\u{1b}[40;");
        terminal.write_all(b"q").unwrap();
        // It leaves the other screen.
        until(&mut terminal, "\u{1b}[?1049l");
        assert!(child.wait().unwrap().success());
        assert_eq!(tcgetattr(&slave).unwrap(), before);
        assert!(!seen.contains('\u{202e}'));
    };
    tokio::time::timeout(crate::PATIENCE, tokio::task::spawn_blocking(work)).await.unwrap().unwrap();
}
