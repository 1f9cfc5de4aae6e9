//! Timeouts whose limit is found from the time that calls take.

use std::time::Duration;

use http::Request;
use poolscope::timeout::{Adaptive, Error, TimeoutLayer};
use poolscope::{Scope, TimeoutDestination};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use crate::support::{answering, timeout};

const MILLI: Duration = Duration::from_millis(1);
const MAX: Duration = Duration::from_secs(5);

fn adaptive() -> Adaptive {
    Adaptive::between(10 * MILLI, MAX).minimum_samples(20).window(Duration::from_secs(60))
}

fn layer(scope: &Scope, adaptive: Adaptive) -> TimeoutLayer {
    TimeoutLayer::builder(scope, "attempt").adaptive(adaptive).build().unwrap()
}

/// Calls a host so many times, which takes its time to answer; tells how long the last call took.
async fn call(layer: &TimeoutLayer, host: &str, times: u32, time: Duration) -> Result<Duration, Duration> {
    let mut last = Ok(Duration::ZERO);
    for _ in 0..times {
        sleep(100 * MILLI).await;
        let request = Request::get(format!("http://{host}/")).body(()).unwrap();
        let start = Instant::now();
        last = match layer.layer(answering(time, ())).oneshot(request).await {
            Ok(()) => Ok(start.elapsed()),
            Err(Error::Elapsed(elapsed)) => {
                assert!((elapsed.limit..elapsed.limit + 2 * MILLI).contains(&elapsed.elapsed), "{elapsed:?}");
                Err(start.elapsed())
            }
            Err(Error::Inner(error)) => panic!("{error}"),
        };
    }
    last
}

fn told(scope: &Scope, host: &str) -> TimeoutDestination {
    let name = format!("http://{host}:80");
    let known = timeout(scope).destinations;
    known.iter().find(|known| known.destination == name).unwrap_or_else(|| panic!("{known:?}")).clone()
}

#[tokio::test(start_paused = true)]
async fn each_destination_has_a_limit_of_its_own() {
    let scope = Scope::new();
    let layer = layer(&scope, adaptive());
    assert_eq!(call(&layer, "fast", 60, 40 * MILLI).await, Ok(40 * MILLI));
    let fast = told(&scope, "fast");
    assert!((80 * MILLI..90 * MILLI).contains(&fast.limit), "{fast:?}");
    assert_eq!(call(&layer, "slow", 25, 1_000 * MILLI).await, Ok(1_000 * MILLI));
    let slow = told(&scope, "slow");
    assert!((2_000 * MILLI..2_200 * MILLI).contains(&slow.limit), "{slow:?}");
    let fired = call(&layer, "fast", 1, 1_000 * MILLI).await.unwrap_err();
    assert!((fast.limit..fast.limit + 2 * MILLI).contains(&fired), "{fired:?}");
    assert_eq!(timeout(&scope).limit, MAX, "what holds for a destination that is not known yet");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_becomes_slower_is_given_more_time() {
    let scope = Scope::new();
    let layer = layer(&scope, adaptive());
    call(&layer, "host", 100, 10 * MILLI).await.unwrap();
    assert!(call(&layer, "host", 1, 500 * MILLI).await.is_err());
    assert_eq!(call(&layer, "host", 400, 500 * MILLI).await, Ok(500 * MILLI));
}

#[tokio::test(start_paused = true)]
async fn it_begins_with_what_it_is_given_and_failures_tell_it_nothing() {
    let scope = Scope::new();
    let layer = layer(&scope, adaptive().start(300 * MILLI));
    let fails = tower::service_fn(|_: Request<()>| async { Err::<(), _>(std::io::Error::other("refused")) });
    for _ in 0..50 {
        let request = Request::get("http://host/").body(()).unwrap();
        assert!(layer.layer(fails).oneshot(request).await.is_err());
    }
    assert_eq!((told(&scope, "host").limit, told(&scope, "host").samples), (300 * MILLI, 0));
}

#[tokio::test(start_paused = true)]
async fn destinations_beyond_the_limit_share_one() {
    let scope = Scope::new();
    let layer = layer(&scope, adaptive().max_destinations(2));
    for host in ["a", "b", "c", "d"] {
        call(&layer, host, 30, 10 * MILLI).await.unwrap();
    }
    let known: Vec<_> =
        timeout(&scope).destinations.into_iter().map(|known| (known.destination, known.samples)).collect();
    let known: Vec<_> = known.iter().map(|(name, samples)| (name.as_str(), *samples)).collect();
    assert_eq!(known, [("_OTHER", 60), ("http://a:80", 30), ("http://b:80", 30)]);
    drop(layer);
    assert_eq!(timeout(&scope).destinations, [], "limits are gone with who has learned them");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_was_not_used_makes_room_and_one_that_is_waited_for_does_not() {
    let scope = Scope::new();
    let layer = layer(&scope, adaptive().max_destinations(2));
    call(&layer, "unused", 30, 10 * MILLI).await.unwrap();
    sleep(90_000 * MILLI).await;
    let request = Request::get("http://slow/").body(()).unwrap();
    let slow = tokio::spawn(layer.layer(answering(4 * MAX / 5, ())).oneshot(request));
    tokio::task::yield_now().await;
    call(&layer, "new", 30, 10 * MILLI).await.unwrap();
    call(&layer, "further", 1, 10 * MILLI).await.unwrap();
    slow.await.unwrap().unwrap();
    let mut known: Vec<_> =
        timeout(&scope).destinations.into_iter().map(|known| (known.destination, known.samples)).collect();
    known.sort();
    let known: Vec<_> = known.iter().map(|(name, samples)| (name.as_str(), *samples)).collect();
    assert_eq!(known, [("_OTHER", 1), ("http://new:80", 30), ("http://slow:80", 1)]);
    assert!(told(&scope, "new").limit < MAX);
}

#[test]
fn options_that_cannot_work_are_refused_in_words() {
    let scope = Scope::new();
    let says = |adaptive: Adaptive, part: &str| {
        let error = TimeoutLayer::builder(&scope, "call").adaptive(adaptive).build().unwrap_err().to_string();
        assert!(error.contains("timeout call") && error.contains(part), "{error}");
    };
    says(Adaptive::between(Duration::ZERO, MAX), "zero");
    says(Adaptive::between(MAX, MILLI), "above the greatest");
    says(adaptive().start(MAX * 2), "not between");
    for quantile in [0.0, 1.0, -0.5, f64::NAN] {
        says(adaptive().quantile(quantile), "quantile");
    }
    for factor in [0.9, f64::NAN, f64::INFINITY] {
        says(adaptive().factor(factor), "factor");
    }
    says(adaptive().minimum_samples(0), "no samples");
    says(adaptive().max_destinations(0), "no destination");
    says(adaptive().window(MILLI), "window");
    let read = TimeoutLayer::builder(&scope, "read").read().adaptive(adaptive()).build().unwrap_err();
    assert!(read.to_string().contains("can't adapt"), "{read}");
}
