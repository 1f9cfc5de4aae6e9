//! Retries over real sockets: what the server has seen is what was counted, over hyper's client and reqwest's.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use poolscope::{RetryResultSnapshot, RetrySnapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Calls that are asked to wait.
const CALLS: usize = 200;

/// One GET over hyper's client and over reqwest's, each under a policy of its own; tells the status and what was counted.
async fn over_both(url: &str) -> [(StatusCode, RetrySnapshot); 2] {
    let quick = |scope: &Scope| RetryPolicy::builder(scope, "p").base_delay(Duration::from_millis(1)).build();
    let (hypers, reqwests) = (Scope::new(), Scope::new());
    let client = HyperClient::builder(TokioExecutor::new()).build_http();
    let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
    let hyper = RetryLayer::new(quick(&hypers).unwrap()).layer(client).oneshot(request).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = reqwest::Request::new(reqwest::Method::GET, url.parse().unwrap());
    let reqwest = RetryLayer::new(quick(&reqwests).unwrap()).layer(client).oneshot(request).await.unwrap();
    let counted = |scope: &Scope| scope.snapshot().retries.remove(0);
    [(hyper.status(), counted(&hypers)), (reqwest.status(), counted(&reqwests))]
}

/// Serves until the runtime ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn of_status(status: u16, calls: u64) -> RetryResultSnapshot {
    RetryResultSnapshot { status: Some(status), error_type: None, calls }
}

#[tokio::test]
async fn a_server_that_recovers_has_seen_as_many_requests_as_were_counted() {
    let seen = Arc::new(Mutex::new(0));
    let handler = |State(seen): State<Arc<Mutex<u64>>>| async move {
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        // Twice unavailable for each of the two clients.
        if *seen % 3 == 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let address = serve(Router::new().fallback(any(handler)).with_state(Arc::clone(&seen))).await;
    for (status, counted) in over_both(&format!("http://{address}/")).await {
        assert_eq!(status, StatusCode::OK);
        assert_eq!(counted.attempts, [("503".to_owned(), 2)]);
        assert_eq!(counted.results, [of_status(200, 1)], "what the caller got, and not what was tried again");
    }
    assert_eq!(*seen.lock().unwrap(), 6);
}

#[tokio::test]
async fn a_connection_that_ends_before_the_response_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        for connection in 0..4 {
            let (mut socket, _) = listener.accept().await.unwrap();
            let read = socket.read(&mut [0; 1_024]).await.unwrap();
            assert!(read > 0, "a request");
            // The first connection of each client ends without a word.
            if connection % 2 == 1 {
                socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        }
    });
    for (status, counted) in over_both(&format!("http://{address}/")).await {
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(counted.attempts, [("incomplete_message".to_owned(), 1)]);
        assert_eq!(counted.results, [of_status(204, 1)]);
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_call_that_nobody_answers_ends_with_its_error() {
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let scope = Scope::new();
    let policy = RetryPolicy::builder(&scope, "p").base_delay(Duration::ZERO).build().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = reqwest::Request::new(reqwest::Method::GET, format!("http://{refused}/").parse().unwrap());
    RetryLayer::new(policy).layer(client).oneshot(request).await.unwrap_err();
    let counted = &scope.snapshot().retries[0];
    assert_eq!(counted.attempts, [("connect".to_owned(), 2)]);
    let expected = RetryResultSnapshot { status: None, error_type: Some(ErrorType::Connect), calls: 1 };
    assert_eq!(counted.results, [expected]);
}

#[tokio::test]
async fn a_rule_marks_requests_of_reqwest_as_safe() {
    let address = serve(Router::new().fallback(any(|| async { StatusCode::SERVICE_UNAVAILABLE }))).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (key, attempts, outcome) in [(None, 1, NotReplayable), (Some("7"), 3, Exhausted)] {
        let scope = Scope::new();
        let policy = RetryPolicy::builder(&scope, "p")
            .base_delay(Duration::ZERO)
            .safe_if(|asked| asked.headers().is_some_and(|headers| headers.contains_key("idempotency-key")));
        let mut request = client.post(format!("http://{address}/")).body("body").build().unwrap();
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        }
        let service = RetryLayer::new(policy.build().unwrap()).layer(client.clone());
        assert_eq!(service.oneshot(request).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(outcomes(&scope), [(outcome, 1)]);
        let again: u64 = scope.snapshot().retries[0].attempts.iter().map(|row| row.1).sum();
        assert_eq!(again + 1, attempts);
    }
}

/// When each call may come back.
type NotBefore = Arc<Mutex<HashMap<String, (Instant, SystemTime)>>>;

/// Asks each call to wait for a second, by turns in seconds and by a date, and tells whether it came back too early.
async fn ask_to_wait(State(known): State<NotBefore>, headers: HeaderMap) -> axum::response::Response {
    let call = headers["x-call"].to_str().unwrap().to_owned();
    if let Some((instant, date)) = known.lock().unwrap().get(&call) {
        let is_early = Instant::now() < *instant || SystemTime::now() < *date;
        return if is_early { StatusCode::CONFLICT } else { StatusCode::OK }.into_response();
    }
    let second = Duration::from_secs(1);
    let (wait, not_before) = if call.ends_with(['0', '2', '4', '6', '8']) {
        ("1".to_owned(), (Instant::now() + second, SystemTime::UNIX_EPOCH))
    } else {
        let date = httpdate::fmt_http_date(SystemTime::now() + second);
        let not_before = httpdate::parse_http_date(&date).unwrap();
        (date, (Instant::now(), not_before))
    };
    known.lock().unwrap().insert(call, not_before);
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, wait)]).into_response()
}

/// Sends calls at times that lie anywhere in a millisecond; none may come back before it was asked to.
async fn are_never_early<F>(call: impl Fn(String) -> F)
where
    F: Future<Output = StatusCode> + Send + 'static,
{
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..CALLS {
        let call = call(number.to_string());
        calls.spawn(async move {
            sleep(Duration::from_micros(number as u64 * 1_237)).await;
            call.await
        });
    }
    let statuses = calls.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), CALLS, "{statuses:?}");
}

#[tokio::test]
async fn no_second_attempt_reaches_the_server_before_the_time_it_asked_for() {
    let known = NotBefore::default();
    let address = serve(Router::new().fallback(any(ask_to_wait)).with_state(known)).await;
    let scope = Scope::new();
    let policy =
        RetryPolicy::builder(&scope, "p").base_delay(Duration::ZERO).max_attempts(2).build().unwrap();
    let client = RetryLayer::new(policy).layer(HyperClient::builder(TokioExecutor::new()).build_http());
    are_never_early(|call| {
        let request = Request::get(format!("http://{address}/")).header("x-call", call);
        let call = client.clone().oneshot(request.body(Full::<Bytes>::default()).unwrap());
        async { call.await.unwrap().status() }
    })
    .await;
    let counted = &scope.snapshot().retries[0];
    assert_eq!(counted.attempts, [("503".to_owned(), CALLS as u64)]);
    assert_eq!(counted.results, [of_status(200, CALLS as u64)]);
}
