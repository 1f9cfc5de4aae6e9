use super::*;
use crate::Scope;
use crate::registry::fixtures::{counts, open, pool_of, request};

#[test]
fn a_request_moves_every_gauge_and_moves_it_back() {
    let scope = Scope::new();
    let connection = open(&scope, Protocol::Http1);
    let request = request(&scope);
    assert_eq!(counts(&scope), (1, 0, 0, 1));
    request.acquire(Instant::now());
    assert_eq!(counts(&scope), (0, 1, 1, 0), "a request that holds some connection makes one active");
    request.bind(&connection);
    assert_eq!(counts(&scope), (0, 1, 1, 0));
    let given_back = request.end(End::Complete, Instant::now());
    assert_eq!(given_back.map(|given_back| given_back.id()), Some(connection.id()));
    assert!(request.end(End::Dropped, Instant::now()).is_none());
    assert!(request.connection().is_none(), "a request that is over holds no connection");
    assert_eq!(counts(&scope), (0, 0, 0, 1));
}

#[test]
fn a_request_over_before_it_is_bound_leaves_nothing_behind() {
    let scope = Scope::new();
    let connection = open(&scope, Protocol::Http1);
    let request = request(&scope);
    request.acquire(Instant::now());
    request.end(End::Dropped, Instant::now());
    request.bind(&connection);
    assert_eq!(counts(&scope), (0, 0, 0, 1));
    assert_eq!(connection.requests(), 0);
}

#[test]
fn a_close_under_requests_takes_their_connection_out_of_the_counts() {
    let scope = Scope::new();
    let connection = open(&scope, Protocol::Http2);
    let requests = [request(&scope), request(&scope)];
    for request in &requests {
        request.acquire(Instant::now());
        request.bind(&connection);
    }
    assert_eq!(counts(&scope), (0, 2, 1, 0));
    connection.close(Instant::now());
    assert_eq!(counts(&scope), (0, 2, 0, 0));
    for request in &requests {
        request.end(End::Failed, Instant::now());
    }
    assert_eq!(counts(&scope), (0, 0, 0, 0));
}

#[test]
fn an_upgraded_connection_is_neither_idle_nor_active() {
    let scope = Scope::new();
    let connection = open(&scope, Protocol::Http1);
    let request = request(&scope);
    request.acquire(Instant::now());
    request.bind(&connection);
    connection.upgrade();
    request.end(End::Complete, Instant::now());
    let pool = scope.snapshot().pools.remove(0);
    assert_eq!((pool.counts().upgraded, pool.counts().open()), (1, 1));
    connection.close(Instant::now());
    assert_eq!(scope.snapshot().pools[0].counts().open(), 0);
}

#[test]
fn only_the_first_acquire_counts() {
    let scope = Scope::new();
    let connection = open(&scope, Protocol::Http2);
    let request = request(&scope);
    let at = request.started() + Duration::from_millis(5);
    request.acquire(at);
    request.acquire(at + Duration::from_secs(1));
    request.bind(&connection);
    assert_eq!(request.acquired().map(|acquired| acquired.wait), Some(Duration::from_millis(5)));
    request.end(End::Complete, at + Duration::from_secs(2));
    let usage = scope.snapshot().pools.remove(0).usage;
    assert!((usage.sum - 2.0).abs() < 1e-9, "{}", usage.sum);
}

#[test]
fn a_record_is_used_again_when_nobody_has_it_any_more() {
    let scope = Scope::new();
    let first = request(&scope);
    let address = Arc::as_ptr(&first);
    first.acquire(Instant::now());
    first.bind(&open(&scope, Protocol::Http1));
    first.end(End::Complete, Instant::now());
    let kept = Arc::clone(&first);
    Pool::take_back(first);
    assert_ne!(Arc::as_ptr(&request(&scope)), address, "somebody has it still");
    Pool::take_back(kept);
    let second = request(&scope);
    assert_eq!(Arc::as_ptr(&second), address);
    assert!(second.is_pending() && second.acquired().is_none());
}

#[test]
fn an_http2_connection_idles_from_when_a_request_asked_for_one() {
    let scope = Scope::new();
    let connection = open(&scope, Protocol::Http2);
    let timeout = connection.pool().idle_timeout();
    let ms = Duration::from_millis;
    // The connect of the first is over before it is sent; the second finds the connection ready, and the third does not.
    for (start, sent, is_queued, from) in [(0, 30, true, 0), (100, 120, false, 100), (200, 230, true, 230)] {
        let pool = pool_of(&scope);
        let request = Request::start(pool, &http::Method::GET, connection.opened() + ms(start));
        if is_queued {
            request.queued();
        }
        request.acquire(connection.opened() + ms(sent));
        request.bind(&connection);
        request.end(End::Complete, connection.opened() + ms(sent + 50));
        let ends = connection.opened() + ms(from) + (timeout - ms(1));
        let is_idle = [Duration::ZERO, ms(1)].map(|more| connection.has_idled(ends + more));
        assert_eq!(is_idle, [false, true], "started at {start}");
    }
}

/// Bind, end and close race on three threads; whatever the order, nothing stays behind and nothing is negative.
#[test]
fn bind_end_and_close_may_race() {
    let scope = Scope::new();
    for round in 0..2_000 {
        let protocol = if round % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 };
        let connection = open(&scope, protocol);
        let request = request(&scope);
        request.acquire(Instant::now());
        std::thread::scope(|threads| {
            threads.spawn(|| request.bind(&connection));
            threads.spawn(|| request.end(End::Dropped, Instant::now()));
            threads.spawn(|| connection.close(Instant::now()));
            let pool = scope.snapshot().pools.remove(0);
            assert!(pool.counts().open() <= 1 && pool.pending() == 0 && pool.streams <= 1, "{pool:?}");
        });
        assert_eq!(counts(&scope), (0, 0, 0, 0));
    }
    let pool = scope.snapshot().pools.remove(0);
    assert_eq!((pool.opened, pool.closed_total(), pool.released, pool.streams), (2_000, 2_000, 2_000, 0));
    assert_eq!(pool.acquires.iter().map(|(_, count)| count).sum::<u64>(), 2_000);
}
