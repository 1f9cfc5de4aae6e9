//! What a call is judged by, and which breaker judges it.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use poolscope::limit::LimitLayer;
use poolscope::timeout::{Bodies, TimeoutLayer};

use super::*;

/// A body that begins, and fails if it is to.
#[derive(Debug)]
struct Piece {
    is_read: bool,
    fails: bool,
    stalls: bool,
}

impl Body for Piece {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !std::mem::replace(&mut self.is_read, true) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from("half")))));
        }
        if self.stalls {
            return Poll::Pending;
        }
        Poll::Ready(self.fails.then(|| Err(io::Error::other("cut off"))))
    }
}

/// Always good heads, none at all below `/hang`; bodies fail below `/cut`, and never end below `/stall`.
fn streaming(
    builder: BreakerBuilder,
) -> impl Service<
    Request<()>,
    Response = Response<JudgedBody<Piece>>,
    Error = Error<Infallible>,
    Future: Send + 'static,
> {
    builder.build().unwrap().layer(service_fn(|request: Request<()>| async move {
        let is = |path| request.uri().path() == path;
        if is("/hang") {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(Piece { is_read: false, fails: is("/cut"), stalls: is("/stall") }))
    }))
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://pay.example{path}")).body(()).unwrap()
}

fn pay(scope: &Scope) -> BreakerSnapshot {
    scope.snapshot().breakers.into_iter().find(|breaker| breaker.name == PAY).unwrap()
}

fn judged(scope: &Scope) -> [u64; 3] {
    let outcomes = [BreakerOutcome::Success, BreakerOutcome::Failure, BreakerOutcome::Ignored];
    outcomes.map(|outcome| count(&pay(scope), outcome))
}

#[tokio::test]
async fn a_body_that_fails_makes_its_call_a_failure_when_it_fails() {
    let scope = Scope::new();
    let mut service = streaming(builder(&scope));
    let response = service.call(get("/cut")).await.unwrap();
    assert_eq!(judged(&scope), [0; 3], "nothing is known before the body is over");
    response.into_body().collect().await.unwrap_err();
    assert_eq!(judged(&scope), [0, 1, 0]);

    service.call(get("/")).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(judged(&scope), [1, 1, 0]);
    drop(service.call(get("/cut")).await.unwrap());
    assert_eq!(judged(&scope), [2, 1, 0], "a body that nobody wants has not failed");

    for _ in 0..2 {
        service.call(get("/cut")).await.unwrap().into_body().collect().await.unwrap_err();
    }
    assert_eq!(pay(&scope).state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_trial_call_holds_its_place_until_its_body_is_over() {
    let scope = Scope::new();
    let mut service = streaming(builder(&scope).trial_calls(1).consecutive_failures(1));
    service.call(get("/cut")).await.unwrap().into_body().collect().await.unwrap_err();
    advance(OPEN_TIME).await;
    let trial = service.call(get("/cut")).await.unwrap();
    assert!(matches!(service.call(get("/")).await, Err(Error::Open(_))));
    trial.into_body().collect().await.unwrap_err();
    assert_eq!(pay(&scope).state, BreakerState::Open, "its head alone would have closed it");
}

#[tokio::test]
async fn where_heads_are_all_that_counts_a_call_is_over_with_its_head() {
    let scope = Scope::new();
    let mut service = streaming(builder(&scope).heads_only());
    let response = service.call(get("/cut")).await.unwrap();
    assert_eq!(judged(&scope), [1, 0, 0]);
    response.into_body().collect().await.unwrap_err();
    assert_eq!(judged(&scope), [1, 0, 0]);
}

#[tokio::test]
async fn the_users_rule_judges_bodies_too() {
    let scope = Scope::new();
    let rule = |answer: &Answer<'_>| match answer {
        Answer::Body(_) => Verdict::Ignored,
        answer => answer.default_verdict(),
    };
    let mut service = streaming(builder(&scope).classify(rule));
    service.call(get("/cut")).await.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!(judged(&scope), [0, 0, 1]);
}

fn one_second(scope: &Scope) -> TimeoutLayer<Bodies> {
    TimeoutLayer::builder(scope, "call").limit(Duration::from_secs(1)).to_body_end().build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_too_slow_for_a_timeout_around_the_breaker_is_a_failure() {
    let scope = Scope::new();
    let mut service = one_second(&scope).layer(streaming(builder(&scope).slow_calls(OPEN_TIME, 1.0)));
    service.call(get("/hang")).await.unwrap_err();
    assert_eq!(judged(&scope), [0, 1, 0]);
    drop(poll_once(service.call(get("/hang"))));
    assert_eq!(judged(&scope), [0, 1, 1], "whoever gives up of himself says nothing");

    let stalled = service.call(get("/stall")).await.unwrap();
    assert_eq!(judged(&scope), [0, 1, 1]);
    stalled.into_body().collect().await.unwrap_err();
    assert_eq!(judged(&scope), [0, 2, 1], "its good head is not all");
    drop(service.call(get("/stall")).await.unwrap());
    service.call(get("/")).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(judged(&scope), [2, 2, 1]);

    service.call(get("/hang")).await.unwrap_err();
    let breaker = pay(&scope);
    assert_eq!((breaker.state, breaker.slow_call_ratio), (BreakerState::Open, Some(0.0)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_in_the_queue_of_a_limit_says_nothing() {
    let scope = Scope::new();
    let limit = LimitLayer::builder(&scope.client("pay"))
        .per_destination(1)
        .acquire_timeout(OPEN_TIME)
        .build()
        .unwrap();
    let hang =
        limit.layer(service_fn(|_: Request<()>| std::future::pending::<io::Result<Response<String>>>()));
    let service = one_second(&scope).layer(builder(&scope).build().unwrap().layer(hang));
    let (first, second) = tokio::join!(service.clone().oneshot(get("/")), service.clone().oneshot(get("/")));
    assert!(first.is_err() && second.is_err());
    assert_eq!(judged(&scope), [0, 1, 1], "the second was never sent");
}

#[tokio::test(start_paused = true)]
async fn where_heads_are_all_that_counts_a_body_can_be_as_slow_as_it_likes() {
    let scope = Scope::new();
    let mut service = one_second(&scope).layer(streaming(builder(&scope).heads_only()));
    service.call(get("/stall")).await.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!(judged(&scope), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_is_slow_if_it_has_taken_that_long() {
    let scope = Scope::new();
    // The rule has it that a timeout is no failure.
    let rule = |answer: &Answer<'_>| match answer {
        Answer::TimedOut => Verdict::Success,
        answer => answer.default_verdict(),
    };
    let breaker = builder(&scope).slow_calls(Duration::from_secs(1), 1.0).classify(rule);
    let mut service = one_second(&scope).layer(streaming(breaker));
    for _ in 0..5 {
        service.call(get("/hang")).await.unwrap_err();
    }
    assert_eq!(judged(&scope), [5, 0, 0]);
    assert_eq!(pay(&scope).transitions[0].2, BreakerReason::SlowCallRatio);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_panics_over_a_timeout_leaves_the_call_without_a_word_and_its_place_free() {
    let scope = Scope::new();
    let rule = |answer: &Answer<'_>| match answer {
        Answer::TimedOut => panic!("over a timeout"),
        answer => answer.default_verdict(),
    };
    let breaker = builder(&scope).trial_calls(1).consecutive_failures(1).classify(rule);
    let mut service = one_second(&scope).layer(streaming(breaker));
    service.call(get("/cut")).await.unwrap().into_body().collect().await.unwrap_err();
    advance(OPEN_TIME).await;
    let hanging = service.call(get("/hang"));
    let panicked = tokio::spawn(hanging).await.unwrap_err();
    assert!(panicked.is_panic());
    assert_eq!(judged(&scope), [0, 1, 1]);
    service.call(get("/")).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(pay(&scope).state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_and_its_reason_says_so() {
    let scope = Scope::new();
    let layer = builder(&scope).slow_calls(Duration::from_secs(1), 0.5).build().unwrap();
    let mut service = layer.layer(service_fn(|request: Request<()>| async move {
        let time = if request.uri().path() == "/slow" { 1_000 } else { 999 };
        sleep(Duration::from_millis(time)).await;
        Ok::<_, Infallible>(status(200))
    }));
    for path in ["/", "/", "/slow", "/slow", "/slow"] {
        service.call(get(path)).await.unwrap();
    }
    let breaker = pay(&scope);
    assert_eq!((breaker.state, breaker.failure_ratio), (BreakerState::Open, Some(0.0)));
    assert_eq!((breaker.slow_call_ratio, breaker.slow_call_ratio_limit), (Some(0.6), Some(0.5)));
    assert_eq!(breaker.transitions[0].2, BreakerReason::SlowCallRatio);
}

#[tokio::test]
async fn failed_connects_have_a_limit_of_their_own() {
    let scope = Scope::new();
    let layer = builder(&scope).connect_failure_ratio(0.2).build().unwrap();
    let mut service = layer.layer(service_fn(|request: Request<()>| async move {
        let is_down = request.uri().path() == "/down";
        if is_down { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) } else { Ok(status(200)) }
    }));
    for _ in 0..4 {
        service.call(get("/")).await.unwrap();
    }
    service.call(get("/down")).await.unwrap_err();
    let breaker = pay(&scope);
    assert_eq!((breaker.connect_failure_ratio, breaker.failure_ratio), (Some(0.2), Some(0.2)));
    assert_eq!(breaker.transitions[0].2, BreakerReason::ConnectFailureRatio);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_time_looks_back_on_time() {
    let scope = Scope::new();
    let layer = builder(&scope).window_time(Duration::from_secs(10)).build().unwrap();
    let mut service = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(status(500)) }));
    for _ in 0..2 {
        for _ in 0..4 {
            service.call(get("/")).await.unwrap();
        }
        assert_eq!((pay(&scope).state, pay(&scope).window_calls), (BreakerState::Closed, 4));
        advance(Duration::from_secs(10)).await;
        assert_eq!(pay(&scope).window_calls, 0);
    }
}

#[tokio::test]
async fn a_rule_chooses_the_breaker() {
    let scope = Scope::new();
    let layer = builder(&scope)
        .key(|asked| {
            let tenant = asked.headers()?.get("x-tenant")?.to_str().ok()?;
            Some(tenant.into())
        })
        .build()
        .unwrap();
    let mut service = layer.layer(service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(status(if request.headers().contains_key("x-tenant") { 500 } else { 200 }))
    }));
    let of = |tenant: &'static str| {
        Request::get("http://pay.example/").header("x-tenant", tenant).body(()).unwrap()
    };
    for _ in 0..5 {
        service.call(of("blue")).await.unwrap();
    }
    assert!(matches!(service.call(of("blue")).await, Err(Error::Open(open)) if &*open.name == "blue"));
    assert!(service.call(of("green")).await.is_ok());
    assert!(service.call(get("/")).await.is_ok(), "without a tenant it is the destination's");
    let names: Vec<_> = layer.handle().list().into_iter().map(|breaker| breaker.name).collect();
    assert_eq!(names, ["blue", "green", PAY]);
}
