//! Timeouts that go on in the body of a response.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use poolscope::Scope;
use poolscope::timeout::{Bodies, Elapsed, Error, TimeoutBody, TimeoutLayer};
use poolscope_semconv::value::TimeoutOutcome::{Canceled, Fired, InTime};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use crate::support::{LIMIT, answering, counts, fired, request, timeout};

type Piece = Result<Frame<Bytes>, io::Error>;

/// A body whose pieces come from elsewhere.
struct Pieces(mpsc::Receiver<Piece>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Piece>> {
        self.0.poll_recv(cx)
    }
}

fn piece() -> Piece {
    Ok(Frame::data(Bytes::from("piece")))
}

/// The body of an answer under a timeout, and where its pieces are put in.
async fn answer(layer: &TimeoutLayer<Bodies>) -> (mpsc::Sender<Piece>, TimeoutBody<Pieces>) {
    let (pieces, body) = mpsc::channel(64);
    let body = std::sync::Mutex::new(Some(Pieces(body)));
    let service = tower::service_fn(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    let response = layer.layer(service).oneshot(request()).await.unwrap();
    (pieces, response.into_body())
}

fn read(scope: &Scope) -> TimeoutLayer<Bodies> {
    TimeoutLayer::read(scope, LIMIT).unwrap()
}

fn call(scope: &Scope) -> TimeoutLayer<Bodies> {
    TimeoutLayer::builder(scope, "call").limit(LIMIT).to_body_end().build().unwrap()
}

fn elapsed(frame: Option<Result<Frame<Bytes>, Error<io::Error>>>) -> Elapsed {
    match frame {
        Some(Err(Error::Elapsed(elapsed))) => elapsed,
        other => panic!("it did not fire: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_fires_and_one_that_trickles_does_not() {
    let scope = Scope::new();
    let events = fired(&scope);
    let (pieces, mut body) = answer(&read(&scope)).await;
    tokio::spawn(async move {
        for _ in 0..10 {
            sleep(LIMIT / 4 * 3).await;
            pieces.send(piece()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let start = Instant::now();
    for _ in 0..10 {
        assert!(body.frame().await.unwrap().is_ok());
    }
    assert_eq!(start.elapsed(), LIMIT / 4 * 3 * 10);
    let fired = elapsed(body.frame().await);
    assert_eq!((start.elapsed(), fired.elapsed), (LIMIT / 4 * 3 * 10 + LIMIT, LIMIT));
    assert_eq!(fired.to_string(), "timeout read fired after 2 s (http://pay.example:8080)");
    assert!(body.frame().await.is_none() && body.is_end_stream(), "the rest is gone");
    assert_eq!(*events.lock().unwrap(), [fired]);
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 1), (Canceled, 0)]);
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_asks_does_not_count() {
    let scope = Scope::new();
    let (pieces, mut body) = answer(&read(&scope)).await;
    sleep(LIMIT * 10).await;
    tokio::spawn(async move {
        sleep(LIMIT / 2).await;
        pieces.send(piece()).await.unwrap();
        sleep(LIMIT * 5).await;
        pieces.send(piece()).await.unwrap();
    });
    assert!(body.frame().await.unwrap().is_ok());
    sleep(LIMIT * 10).await;
    assert!(body.frame().await.unwrap().is_ok(), "the piece came while nobody asked");
    assert!(body.frame().await.is_none());
    assert_eq!(counts(&scope), [(InTime, 1), (Fired, 0), (Canceled, 0)]);
    // The longest wait was half of the limit.
    assert_eq!(timeout(&scope).budget_used.buckets, [0, 0, 1, 0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_to_the_end_of_its_body_has_one_deadline_for_all() {
    let scope = Scope::new();
    let (pieces, mut body) = answer(&call(&scope)).await;
    tokio::spawn(async move {
        while pieces.send(piece()).await.is_ok() {
            sleep(LIMIT / 10).await;
        }
    });
    let start = Instant::now();
    let fired = loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            frame => break elapsed(frame),
        }
    };
    assert_eq!((start.elapsed(), &*fired.name, fired.elapsed), (LIMIT, "call", LIMIT));
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 1), (Canceled, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_makes_anybody_wait_is_limited_too() {
    let scope = Scope::new();
    let (pieces, mut body) = answer(&call(&scope)).await;
    for _ in 0..64 {
        pieces.try_send(piece()).unwrap();
    }
    assert!(body.frame().await.unwrap().is_ok());
    sleep(LIMIT + Duration::from_millis(500)).await;
    let fired = elapsed(body.frame().await);
    assert_eq!(fired.to_string(), "timeout call fired after 2 s (500 ms late; http://pay.example:8080)");
    assert!(pieces.is_closed(), "the rest of the body was dropped at once");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_fires_as_well() {
    let scope = Scope::new();
    let service = call(&scope).layer(answering(LIMIT * 2, Response::new(Full::new(Bytes::new()))));
    assert!(matches!(service.oneshot(request()).await, Err(Error::Elapsed(_))));
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 1), (Canceled, 0)]);
}

#[tokio::test(start_paused = true)]
async fn each_end_of_a_body_counts_once() {
    for layer in [read, call] {
        let scope = Scope::new();
        let layer = layer(&scope);
        let (pieces, body) = answer(&layer).await;
        drop(pieces);
        assert!(body.collect().await.is_ok());
        let (pieces, body) = answer(&layer).await;
        pieces.try_send(Err(io::ErrorKind::ConnectionReset.into())).unwrap();
        assert!(
            matches!(body.collect().await, Err(Error::Inner(error)) if error.kind() == io::ErrorKind::ConnectionReset)
        );
        let (_pieces, body) = answer(&layer).await;
        drop(body);
        assert_eq!(counts(&scope), [(InTime, 2), (Fired, 0), (Canceled, 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_without_anything_to_read_is_over_with_the_head() {
    for layer in [read, call] {
        let scope = Scope::new();
        let service = layer(&scope).layer(answering(LIMIT / 2, Response::new(Full::new(Bytes::new()))));
        let response = service.oneshot(request()).await.unwrap();
        assert_eq!(counts(&scope), [(InTime, 1), (Fired, 0), (Canceled, 0)]);
        sleep(LIMIT * 2).await;
        assert!(response.into_body().collect().await.is_ok());
    }
}

#[tokio::test]
async fn a_call_that_fails_before_its_body_has_none_to_read() {
    let scope = Scope::new();
    let fails = tower::service_fn(|_| async { Err::<Response<Full<Bytes>>, _>(io::Error::other("refused")) });
    assert!(read(&scope).layer(fails).oneshot(request()).await.is_err());
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 0), (Canceled, 0)]);
}

#[tokio::test]
async fn trailers_and_the_size_pass_as_they_are() {
    let scope = Scope::new();
    let trailers = http::HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
    let body = Full::new(Bytes::from("piece")).with_trailers(std::future::ready(Some(Ok(trailers))));
    assert_eq!(body.size_hint().lower(), 5);
    let body = std::sync::Mutex::new(Some(body));
    let service = tower::service_fn(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    let body = read(&scope).layer(service).oneshot(request()).await.unwrap().into_body();
    assert_eq!(body.size_hint().lower(), 5);
    let read = body.collect().await.unwrap();
    assert_eq!(read.trailers().unwrap()[http::header::ETAG], "x");
    assert_eq!(read.to_bytes(), "piece");
    assert_eq!(counts(&scope), [(InTime, 1), (Fired, 0), (Canceled, 0)]);
}
