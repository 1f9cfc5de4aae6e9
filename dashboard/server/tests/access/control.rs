//! Orders for breakers: each guard is tried and broken, and one order goes all the way to who asks for it by OTLP.

use std::collections::BTreeSet;
use std::time::Duration;

use poolscope_dashboard::config::Login;
use poolscope_semconv::protocol::control::{Action, Answer, Done, HEADER, Question};
use poolscope_semconv::{attr, metric};
use poolscope_wire::{
    ApiError, Breaker, CONTROL_HEADER, Control, ControlAction, ControlList, ControlOrder, ControlState, path,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::json;

use crate::{Running, TOKEN};

const NAME: &str = "http://pay.example:80";
const KEY: &str = "0123456789abcdef-key";

async fn with_control() -> Running {
    Running::with(|config| {
        config.access.allow_control = true;
        config.access.login_token = TOKEN.parse().ok();
        config.access.otlp_api_key = KEY.parse().ok();
    })
    .await
}

/// Tells of a breaker, and gives its id.
async fn breaker(server: &Running) -> String {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let point = json!({
        "attributes": [text(attr::BREAKER_NAME, NAME), text(attr::BREAKER_STATE, "closed")],
        "timeUnixNano": now.to_string(), "startTimeUnixNano": now.to_string(), "asInt": "1",
    });
    let sum = json!({"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": false});
    let body = json!({"resourceMetrics": [{
        "resource": {"attributes": [text(attr::SERVICE_NAME, "shop"), text(attr::SERVICE_INSTANCE_ID, "a")]},
        "scopeMetrics": [{"metrics": [{"name": metric::BREAKER_STATE.name, "unit": "1", "sum": sum}]}],
    }]});
    let sent = server.post("/v1/metrics").header("x-otlp-api-key", KEY).body(body.to_string()).send().await;
    assert_eq!(sent.unwrap().status(), StatusCode::OK);
    let breakers = server.get(path::BREAKERS).bearer_auth(TOKEN).send().await.unwrap();
    breakers.json::<Vec<Breaker>>().await.unwrap().remove(0).id
}

/// Tells of a resource whose guard has the name of the breaker.
async fn guard(server: &Running) {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let attributes = [text(attr::GUARD_NAME, NAME), text(attr::RESOURCE_NAME, "open_files")];
    let point = json!({"attributes": attributes, "timeUnixNano": now.to_string(), "asInt": "7"});
    let body = json!({"resourceMetrics": [{
        "resource": {"attributes": [text(attr::SERVICE_NAME, "shop"), text(attr::SERVICE_INSTANCE_ID, "a")]},
        "scopeMetrics": [{"metrics": [{"name": metric::RESOURCE_USAGE.name, "gauge": {"dataPoints": [point]}}]}],
    }]});
    let sent = server.post("/v1/metrics").header("x-otlp-api-key", KEY).body(body.to_string()).send().await;
    assert_eq!(sent.unwrap().status(), StatusCode::OK);
}

/// A question of the instance, as an application asks it.
async fn ask(server: &Running, wait_ms: u64, done: Option<Done>) -> Response {
    ask_for(server, wait_ms, done, None).await
}

/// The same, of one that says which breakers take orders.
async fn ask_for(
    server: &Running,
    wait_ms: u64,
    done: Option<Done>,
    takes: Option<BTreeSet<String>>,
) -> Response {
    let question = Question {
        service: "shop".to_owned(),
        instance: "a".to_owned(),
        number: 7,
        wait: Duration::from_millis(wait_ms),
        done,
        takes,
    };
    let sent = server.post("/v1/metrics").header("x-otlp-api-key", KEY).header(HEADER, question.encode());
    sent.send().await.unwrap()
}

fn answer(response: &Response) -> Option<Answer> {
    Answer::decode(response.headers().get(HEADER)?.to_str().unwrap())
}

fn order(breaker: &str) -> ControlOrder {
    ControlOrder {
        breaker: breaker.to_owned(),
        action: ControlAction::ForceOpen,
        for_s: Some(60),
        reason: "moved".to_owned(),
    }
}

/// An order as our own page sends it, with a session.
fn give(server: &Running, order: &ControlOrder) -> RequestBuilder {
    bare(server).header("sec-fetch-site", "same-origin").header(CONTROL_HEADER, "1").json(order)
}

fn bare(server: &Running) -> RequestBuilder {
    server.ask(Method::POST, path::CONTROL).bearer_auth(TOKEN)
}

async fn refused(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json::<ApiError>().await.unwrap().error)
}

async fn list(server: &Running) -> ControlList {
    server.get(path::CONTROL).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn without_the_flag_there_is_nothing() {
    let server = Running::with(|config| config.access.login = Login::None).await;
    for method in [Method::GET, Method::POST] {
        let (status, sentence) = refused(server.ask(method, path::CONTROL)).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(sentence.contains("--allow-control"), "{sentence}");
    }
    assert!(!server.status().await.own.offers_control);
    let asked = ask(&server, 0, None).await;
    assert_eq!((asked.status(), answer(&asked)), (StatusCode::OK, None), "nor for applications");
}

#[tokio::test]
async fn what_a_resource_guard_does_can_not_be_ordered() {
    let server = with_control().await;
    let id = breaker(&server).await;
    assert_eq!(ask(&server, 0, None).await.status(), StatusCode::OK);
    assert_eq!(list(&server).await.fixed, [""; 0]);
    guard(&server).await;
    assert_eq!(list(&server).await.fixed, [&*id]);
    let (status, sentence) = refused(give(&server, &order(&id))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(sentence.contains("resource guard"), "{sentence}");
}

#[tokio::test]
async fn every_guard_refuses_with_its_status() {
    let server = with_control().await;
    let id = breaker(&server).await;
    assert_eq!(ask(&server, 0, None).await.status(), StatusCode::OK);
    let good = order(&id);
    let with = |change: fn(&mut ControlOrder)| {
        let mut changed = good.clone();
        change(&mut changed);
        give(&server, &changed)
    };
    let page = || bare(&server).header("sec-fetch-site", "same-origin");
    let json = |body: &str| {
        page().header(CONTROL_HEADER, "1").header("content-type", "application/json").body(body.to_owned())
    };
    let nobody = server.ask(Method::POST, path::CONTROL).header("sec-fetch-site", "same-origin");
    for (what, request, status) in [
        ("no login", nobody.header(CONTROL_HEADER, "1").json(&good), StatusCode::UNAUTHORIZED),
        ("no login to look", server.get(path::CONTROL), StatusCode::UNAUTHORIZED),
        ("another site", give(&server, &good).header("sec-fetch-site", "cross-site"), StatusCode::FORBIDDEN),
        (
            "foreign origin",
            bare(&server).header("origin", "http://evil.example").header(CONTROL_HEADER, "1").json(&good),
            StatusCode::FORBIDDEN,
        ),
        ("no origin", bare(&server).header(CONTROL_HEADER, "1").json(&good), StatusCode::FORBIDDEN),
        ("no header", page().json(&good), StatusCode::FORBIDDEN),
        (
            "a form",
            page().header(CONTROL_HEADER, "1").form(&[("breaker", &id)]),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("no JSON", json("{"), StatusCode::BAD_REQUEST),
        ("more than an order", json(&format!("{{\"x\":1,\"breaker\":\"{id}\"}}")), StatusCode::BAD_REQUEST),
        ("too large", json(&" ".repeat(5_000)), StatusCode::PAYLOAD_TOO_LARGE),
        ("no reason", with(|order| order.reason = " \n ".to_owned()), StatusCode::BAD_REQUEST),
        ("a long reason", with(|order| order.reason = "x".repeat(201)), StatusCode::BAD_REQUEST),
        ("no time", with(|order| order.for_s = Some(0)), StatusCode::BAD_REQUEST),
        ("a long time", with(|order| order.for_s = Some(3_601)), StatusCode::BAD_REQUEST),
        (
            "an unknown breaker",
            with(|order| order.breaker = "0123456789abcdef".to_owned()),
            StatusCode::NOT_FOUND,
        ),
    ] {
        let (got, sentence) = refused(request).await;
        assert_eq!(got, status, "{what}: {sentence}");
        assert!(sentence.contains(' '), "{what}: {sentence}");
    }
    assert!(list(&server).await.orders.is_empty(), "nothing of it was taken");
}

#[tokio::test]
async fn an_order_goes_to_who_asks_and_comes_back() {
    let server = with_control().await;
    let id = breaker(&server).await;
    assert!(server.status().await.own.offers_control);
    let (status, sentence) = refused(give(&server, &order(&id))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(sentence.contains("has not opted in"), "{sentence}");
    // Who shows no key hears nothing.
    let stranger =
        server.post("/v1/metrics").header(HEADER, "v=1&number=1&service=shop&instance=a&wait_ms=0");
    let stranger = stranger.send().await.unwrap();
    assert_eq!((stranger.status(), answer(&stranger)), (StatusCode::UNAUTHORIZED, None));
    assert!(list(&server).await.taking.is_empty());

    let ordered = async {
        crate::until("it listens", || async { !list(&server).await.taking.is_empty() }).await;
        give(&server, &order(&id)).send().await.unwrap()
    };
    let (asked, given) = tokio::join!(ask(&server, 5_000, None), ordered);
    assert_eq!(given.status(), StatusCode::ACCEPTED);
    let given: Control = given.json().await.unwrap();
    assert_eq!(given.by, "token of a script (this machine)");
    let command = answer(&asked).unwrap().command.unwrap();
    assert_eq!((&command.id, &*command.breaker, command.action), (&given.id, NAME, Action::ForceOpen));
    assert_eq!((command.lasts, &*command.why), (Duration::from_secs(60), "moved"));

    ask(&server, 0, Some(Done { id: command.id, result: Ok(command.lasts) })).await;
    let known = list(&server).await;
    assert_eq!(known.orders[0].state, ControlState::InForce);
    assert_eq!(known.taking, [&*id]);
    for (takes, known) in [(BTreeSet::new(), vec![]), (BTreeSet::from([NAME.to_owned()]), vec![id])] {
        ask_for(&server, 0, None, Some(takes)).await;
        assert_eq!(list(&server).await.taking, known, "as the application offers them");
    }
}

#[tokio::test]
async fn a_browser_is_told_from_a_script_and_too_many_orders_wait() {
    let server = with_control().await;
    let id = breaker(&server).await;
    let login = server.get(&format!("/login?t={TOKEN}")).send().await.unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    ask(&server, 0, None).await;
    let browser = server.ask(Method::POST, path::CONTROL).header("cookie", &cookie);
    let browser = browser.header("sec-fetch-site", "same-origin").header(CONTROL_HEADER, "1");
    let given: Control = browser.json(&order(&id)).send().await.unwrap().json().await.unwrap();
    assert_eq!(given.by, "token login (this machine)");
    let mut turned_away = None;
    for _ in 0..100 {
        let answer = give(&server, &order(&id)).send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            turned_away = answer.headers().get("retry-after").cloned();
            break;
        }
    }
    assert!(turned_away.is_some(), "orders are bounded");
}
