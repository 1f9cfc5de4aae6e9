//! The keys of senders, over gRPC and HTTP, and their rotation.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use poolscope_wire::{Status, path};
use reqwest::StatusCode;
use tonic::{Code, Request};

use crate::{Running, TOKEN, file, until};

const OLD: &str = "0123456789abcdef-old";
const NEW: &str = "0123456789abcdef-new";
const WRONG: &str = "0123456789abcdef-non";

/// What gRPC answers to a sender with this header.
async fn grpc(server: &Running, header: Option<(&'static str, String)>) -> Code {
    let url = format!("http://127.0.0.1:{}", server.grpc.port());
    let mut client = MetricsServiceClient::connect(url).await.unwrap();
    let mut request = Request::new(ExportMetricsServiceRequest::default());
    if let Some((name, value)) = header {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    client.export(request).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test]
async fn both_keys_open_both_doors_and_nothing_else_does() {
    let server = Running::with(|config| {
        config.access.otlp_api_key = OLD.parse().ok();
        config.access.otlp_api_key_secondary = NEW.parse().ok();
    })
    .await;
    for key in [OLD, NEW] {
        for (name, value) in [("x-otlp-api-key", key.to_owned()), ("authorization", format!("Bearer {key}"))]
        {
            for path in ["/v1/metrics", "/v1/traces", "/v1/logs"] {
                let answer = server.post(path).header(name, &value).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK, "{path} {name}");
            }
            assert_eq!(grpc(&server, Some((name, value))).await, Code::Ok, "{name}");
        }
    }
    let answer = server.post("/v1/metrics").header("x-otlp-api-key", WRONG).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["code"], Code::Unauthenticated as i32);
    assert!(body["message"].as_str().unwrap().contains("x-otlp-api-key"));
    assert_eq!(server.post("/v1/logs").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(grpc(&server, None).await, Code::Unauthenticated);
    assert_eq!(grpc(&server, Some(("x-otlp-api-key", WRONG.to_owned()))).await, Code::Unauthenticated);

    let status = server.status().await;
    assert!(status.own.asks_for_key);
    let refused: Vec<_> =
        status.own.signals.iter().map(|of| (&*of.signal, of.requests, of.refused)).collect();
    assert_eq!(refused, [("metrics", 8, 3), ("traces", 4, 0), ("logs", 4, 1)]);
    assert!(
        status
            .own
            .losses
            .iter()
            .any(|loss| loss.what.contains("metrics") && loss.what.contains("key") && loss.count == 3)
    );
}

#[tokio::test]
async fn keys_in_a_file_are_rotated_without_a_gap() {
    let keys = file("keys", &format!("{OLD}\n"));
    let server = Running::with(|config| config.access.otlp_api_key_file = Some(keys.clone())).await;
    let takes = async |key: &str| {
        let answer = server.post("/v1/metrics").header("x-otlp-api-key", key).send().await.unwrap();
        answer.status() == StatusCode::OK
    };
    assert!(takes(OLD).await && !takes(NEW).await);
    std::fs::write(&keys, format!("{NEW}\n{OLD}\n")).unwrap();
    server.read_again();
    until("the new key", || takes(NEW)).await;
    assert!(takes(OLD).await);
    // A file that is half written changes nothing.
    std::fs::write(&keys, "oops").unwrap();
    server.read_again();
    until("the failure is told", async || server.status().await.own.failed_reloads == 1).await;
    assert!(takes(NEW).await && takes(OLD).await);
    // Without being asked, by the time of the file.
    std::fs::write(&keys, format!("{NEW}\n")).unwrap();
    until("the old key is gone", async || !takes(OLD).await).await;
    assert!(takes(NEW).await);
}

#[tokio::test]
async fn a_token_that_changes_ends_the_logins_by_the_old_one_and_the_key_of_prometheus_is_read_again() {
    const NEXT: &str = "0123456789abcdef-the-next";
    let (token, scrape) = (file("next.token", TOKEN), file("next.scrape", OLD));
    let server = Running::with(|config| {
        config.access.login = poolscope_dashboard::config::Login::Token;
        config.access.login_token_file = Some(token.clone());
        config.access.scrape_key_file = Some(scrape.clone());
    })
    .await;
    let ask =
        async |path: &str, shown: &str| server.get(path).bearer_auth(shown).send().await.unwrap().status();
    let login = server.get(&format!("{}?t={TOKEN}", path::LOGIN)).send().await.unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let visit = async || server.get(path::STATUS).header("cookie", &cookie).send().await.unwrap().status();
    assert_eq!((visit().await, ask(path::METRICS, OLD).await), (StatusCode::OK, StatusCode::OK));
    // A file that can't be used changes nothing, in the other one neither.
    std::fs::write(&scrape, NEW).unwrap();
    std::fs::write(&token, "short").unwrap();
    server.read_again();
    until("it is told", async || {
        let status: Status =
            server.get(path::STATUS).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
        status.own.failed_reloads >= 1
    })
    .await;
    assert_eq!((visit().await, ask(path::METRICS, OLD).await), (StatusCode::OK, StatusCode::OK));
    std::fs::write(&token, NEXT).unwrap();
    server.read_again();
    until("logins by the old one have ended", async || visit().await == StatusCode::UNAUTHORIZED).await;
    assert_eq!(ask(path::STATUS, NEXT).await, StatusCode::OK);
    assert_eq!(ask(path::STATUS, TOKEN).await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(path::METRICS, NEW).await, StatusCode::OK);
    assert_eq!(ask(path::METRICS, OLD).await, StatusCode::UNAUTHORIZED);
}
