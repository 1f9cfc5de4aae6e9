//! Names of hosts, foreign scripts, frames, and what every answer says to a browser.

use poolscope_wire::{ApiError, path};
use reqwest::{Method, StatusCode};

use crate::Running;

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_is_turned_away_also_when_bound_to_all() {
    for http_addr in [[127, 0, 0, 1], [0, 0, 0, 0]] {
        let server = Running::with(|config| {
            config.http_addr = (http_addr, 0).into();
            config.otlp_http_addr = (http_addr, 0).into();
            config.allowed_host = vec!["Box.example".to_owned()];
        })
        .await;
        for path in ["/", path::LOGIN, path::STATUS, path::HEALTH, path::METRICS] {
            let answer = server.get(path).header("host", "evil.example:4320").send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
            assert!(answer.json::<ApiError>().await.unwrap().error.contains("--allowed-host"));
        }
        let answer = server.post("/v1/metrics").header("host", "evil.example").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        for fine in ["box.example", "localhost:1", "127.0.0.1"] {
            assert_eq!(
                server.get(path::HEALTH).header("host", fine).send().await.unwrap().status(),
                StatusCode::OK,
                "{fine}"
            );
        }
        let digits = server.get(path::HEALTH).header("host", "10.1.2.3").send().await.unwrap();
        assert_eq!(digits.status() == StatusCode::OK, http_addr == [0, 0, 0, 0]);
    }
}

#[tokio::test]
async fn what_is_turned_away_at_the_door_is_counted_and_never_named() {
    let server = Running::with(|_| {}).await;
    for _ in 0..2 {
        server.get("/").header("host", "<b>evil</b>.example").send().await.unwrap();
        server.get("/").header("host", "evil.example").send().await.unwrap();
    }
    server.get(path::STATUS).header("sec-fetch-site", "cross-site").send().await.unwrap();
    server.post("/v1/metrics").header("host", "evil.example").send().await.unwrap();
    // Where OTLP is taken, what is none of its signals is turned away as well.
    for path in ["/", "/v1/profiles", "/v1/profiles"] {
        let answer = server.post(path).header("host", "evil.example").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let losses = server.status().await.own.losses;
    let count = |what: &str| losses.iter().find(|loss| loss.what.contains(what)).map(|loss| loss.count);
    assert_eq!(count("Requests refused: to a host name that is not allowed"), Some(7), "{losses:?}");
    assert_eq!(count("Requests refused: from a page of another site"), Some(1), "{losses:?}");
    assert_eq!(count("Requests with metrics refused: to a host name"), Some(1), "{losses:?}");
    assert_eq!(losses.len(), 3);
    let told = server.get(path::METRICS).send().await.unwrap().text().await.unwrap();
    for (reason, count) in [("unknown_host", 7), ("other_site", 1)] {
        let line = format!("poolscope_dashboard_turned_away_requests_total{{reason=\"{reason}\"}} {count}\n");
        assert!(told.contains(&line), "{told}");
    }
    assert!(!told.contains("evil") && !format!("{losses:?}").contains("evil"));
}

#[tokio::test]
async fn behind_a_proxy_the_public_name_is_known_and_the_cookie_is_secure() {
    let server = Running::with(|config| {
        config.access.login = poolscope_dashboard::config::Login::Token;
        config.access.public_url = Some("https://dash.example.com".to_owned());
    })
    .await;
    let link = server.link.clone().unwrap();
    let path = link.strip_prefix("https://dash.example.com").unwrap();
    let answer = server.get(path).header("host", "dash.example.com").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-poolscope-login=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn every_answer_is_locked_down_errors_too() {
    let server = Running::with(|config| config.limits.max_header_bytes = 2_000).await;
    let long = format!("/x?{}", "y".repeat(3_000));
    for (path, host, status) in [
        ("/", "localhost", 200),
        (path::STATUS, "localhost", 200),
        ("/api/v1/nothing", "localhost", 404),
        ("/missing.js", "localhost", 404),
        ("/", "evil.example", 403),
        (&long, "localhost", 414),
        (path::METRICS, "localhost", 200),
    ] {
        let answer = server.get(path).header("host", host).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let header =
            |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let policy = header("content-security-policy");
        for rule in [
            "default-src 'self'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("unsafe-eval' ") && !policy.contains('*')
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
        ] {
            assert_eq!(header(name), value, "{path}");
        }
        assert!(header("access-control-allow-origin").is_empty());
        assert!(["no-store", "no-cache"].contains(&&*header("cache-control")), "{path}");
    }
    let head = server.get("/").header("x-long", "y".repeat(2_500)).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(head.headers().contains_key("content-security-policy"));
    let limits = server.status().await.limits;
    assert!(
        limits.iter().any(|limit| limit.name.contains("head of a request") && limit.hits == 2),
        "{limits:?}"
    );
}

#[tokio::test]
async fn a_foreign_page_can_neither_read_nor_send_nor_take_places() {
    let server = Running::with(|_| {}).await;
    for path in [path::STREAM, path::STATUS, path::METRICS] {
        let script = server.get(path).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "cors");
        assert_eq!(script.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{path}");
    }
    let link = server.get("/").header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
    assert_eq!(link.send().await.unwrap().status(), StatusCode::OK);
    // What a form can send is no OTLP, and what is OTLP needs to be asked for first, which is refused.
    let url = format!("http://127.0.0.1:{}/v1/metrics", server.otlp.port());
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let form = server
            .client
            .post(&url)
            .header("content-type", kind)
            .header("origin", "http://evil.example")
            .body("{}");
        assert_eq!(form.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let asked = server
        .client
        .request(Method::OPTIONS, &url)
        .header("origin", "http://evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(asked.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!asked.headers().contains_key("access-control-allow-origin"));
    assert!(asked.headers().contains_key("content-security-policy"));
}

#[tokio::test]
async fn the_port_of_grpc_takes_nothing_that_a_page_can_send() {
    let server = Running::with(|_| {}).await;
    let path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    let page = server.client.post(format!("http://{}{path}", server.grpc)).header("host", "evil.example");
    let answer = page.header("content-type", "application/grpc").body(vec![0; 5]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UPGRADE_REQUIRED);
    assert!(answer.text().await.unwrap().contains("4318"));
    assert_eq!(server.status().await.received.requests, 0);
}
