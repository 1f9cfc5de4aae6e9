use proptest::prelude::*;

use super::*;
use crate::registry::{DestinationRef, End, Established};
use crate::{ClientScope, Scope};

const RULES: Rules = Rules {
    max_age: None,
    jitter: 0.0,
    poison_on_errors: false,
    poison_after_timeouts: 0,
    evict_on_5xx: false,
};

const AGE: Duration = Duration::from_secs(60);

fn client(rules: Rules) -> ClientScope {
    Scope::new().client("test").replace(rules)
}

fn pool(client: &ClientScope) -> Arc<Pool> {
    client.pool(&DestinationRef::new("http", "host", None))
}

fn open(pool: &Arc<Pool>, id: u64, protocol: Protocol, at: Instant) -> Arc<Connection> {
    pool.opened(id, Established { protocol, ..Established::default() }, at)
}

#[derive(Debug, Default)]
struct Taken(Arc<AtomicU32>);

impl Pill for Taken {
    fn poison(&self, _: &Connection) -> bool {
        self.0.fetch_add(1, AcqRel);
        true
    }
}

#[derive(Debug)]
struct Wrong;

impl Pill for Wrong {
    fn poison(&self, _: &Connection) -> bool {
        false
    }
}

proptest! {
    #[test]
    fn an_age_is_between_the_least_and_the_most(
        millis in 1_u64..100_000_000,
        jitter in 0.0..1.0_f64,
        random in any::<u64>(),
    ) {
        let max = Duration::from_millis(millis);
        let rules = Rules { max_age: Some(max), jitter, ..RULES };
        let age = rules.age(random).unwrap();
        // Fractions of a second are rounded to nanoseconds.
        let least = max.mul_f64(1.0 - jitter).saturating_sub(Duration::from_micros(1));
        prop_assert!((least..=max).contains(&age), "{age:?} of {max:?} less {jitter}");
        prop_assert!(rules.least_age().unwrap() <= age);
    }
}

#[test]
fn ages_are_spread_over_the_whole_range() {
    let rules = Rules { max_age: Some(AGE), jitter: 0.5, ..RULES };
    let mut tenths = [0; 10];
    for id in 0..1_000 {
        let age = Upkeep::new(rules, id).age.unwrap();
        tenths[(((age - AGE / 2).as_secs_f64() / 30.0 * 10.0) as usize).min(9)] += 1;
    }
    assert!(tenths.iter().all(|count| *count > 50), "{tenths:?}");
}

#[test]
fn a_connection_goes_at_its_age_and_not_before() {
    let client = client(Rules { max_age: Some(AGE), ..RULES });
    let (pool, opened) = (pool(&client), Instant::now());
    let connection = open(&pool, 1, Protocol::Http1, opened);
    let draining = || connection.snapshot(opened).draining;
    let almost = opened + (AGE - Duration::from_millis(30));
    assert_eq!(pool.look_after_connections(almost), Some(Duration::from_millis(30)));
    assert_eq!(draining(), None);
    pool.look_after_connections(opened + AGE);
    assert_eq!(draining(), Some(CloseReason::MaxAge));
}

#[test]
fn a_pool_without_rules_is_not_looked_after() {
    let client = Scope::new().client("test");
    let pool = pool(&client);
    let connection = open(&pool, 1, Protocol::Http2, Instant::now());
    assert_eq!(pool.look_after_connections(Instant::now() + AGE), None);
    assert!(!connection.retire(CloseReason::MaxAge));
    assert!(!pool.lacks_pill());
    assert_eq!(pool.close_idle(), 0);
}

#[test]
fn a_connection_that_never_served_waits_for_whoever_had_it_made() {
    let client = client(RULES);
    let (pool, opened) = (pool(&client), Instant::now());
    let early = Request::start(Arc::clone(&pool), &http::Method::GET, opened);
    let made = opened + Duration::from_millis(5);
    let connection = open(&pool, 1, Protocol::Http1, made);
    assert_eq!(pool.close_idle(), 1);
    let later = made + Duration::from_secs(1);
    let _late = Request::start(Arc::clone(&pool), &http::Method::GET, later);
    pool.look_after_connections(later);
    assert!(!connection.upkeep().unwrap().may_end());
    early.end(End::Dropped, later);
    pool.look_after_connections(later);
    assert!(connection.upkeep().unwrap().may_end());
}

#[test]
fn an_http2_connection_ends_when_nobody_can_be_on_the_way_to_it() {
    let client = client(RULES);
    let pool = pool(&client);
    assert!(pool.lacks_pill(), "the first request may need it");
    let before = Request::start(Arc::clone(&pool), &http::Method::GET, Instant::now());
    let connection = open(&pool, 1, Protocol::Http2, Instant::now());
    let far = || Instant::now() + Duration::from_secs(1);
    let may_end = || {
        pool.look_after_connections(far());
        connection.upkeep().unwrap().may_end()
    };
    assert!(connection.retire(CloseReason::Requested));
    assert!(!connection.retire(CloseReason::MaxAge), "the first reason stays");
    assert!(pool.lacks_pill(), "the next request may need a new connection");
    assert!(!may_end(), "the pool may still give it out");
    let poisoned = Arc::new(AtomicU32::new(0));
    connection.give_pill(Box::new(Taken(Arc::clone(&poisoned))));
    assert!(!may_end() && poisoned.load(Acquire) == 0, "one who waited for it may not have taken it");
    before.end(End::Dropped, Instant::now());
    let before = Request::start(Arc::clone(&pool), &http::Method::GET, far());
    assert!(!may_end() && poisoned.load(Acquire) == 1, "the pool is told");
    assert!(pool.lacks_pill(), "the next request needs a new connection");
    before.acquire(Instant::now());
    assert!(!may_end(), "it has one, and which one is not known");
    before.bind(&connection);
    assert!(connection.is_active(), "which ends it when that is over");
    before.end(End::Complete, Instant::now());
    assert!(may_end());
    connection.close(Instant::now());
    assert_eq!(
        pool.snapshot(far()).closed,
        [(CloseReason::Requested, poolscope_semconv::value::Certainty::Known, 1)]
    );
}

#[test]
fn a_pill_that_is_not_its_own_is_asked_for_again() {
    let client = client(RULES);
    let pool = pool(&client);
    let connection = open(&pool, 1, Protocol::Http2, Instant::now());
    let look = || {
        // It is looked after only where requests are seen.
        pool.acquire_started();
        pool.look_after_connections(Instant::now() + Duration::from_secs(1))
    };
    connection.give_pill(Box::new(Wrong));
    assert!(!pool.lacks_pill());
    connection.retire(CloseReason::MaxAge);
    look();
    assert!(pool.lacks_pill());
    let poisoned = Arc::new(AtomicU32::new(0));
    connection.give_pill(Box::new(Taken(Arc::clone(&poisoned))));
    look();
    assert_eq!(poisoned.load(Acquire), 1);
}

#[test]
fn a_closed_connection_lacks_nothing_and_keeps_nothing() {
    let client = client(RULES);
    let pool = pool(&client);
    let stays = open(&pool, 0, Protocol::Http2, Instant::now());
    stays.give_pill(Box::new(Wrong));
    for gives in [false, true] {
        let connection = open(&pool, 1, Protocol::Http2, Instant::now());
        let pill = Arc::new(AtomicU32::new(0));
        if gives {
            connection.give_pill(Box::new(Taken(Arc::clone(&pill))));
        }
        connection.close(Instant::now());
        connection.give_pill(Box::new(Taken(Arc::clone(&pill))));
        assert_eq!(Arc::strong_count(&pill), 1);
        assert!(!pool.lacks_pill());
    }
}

#[test]
fn only_what_can_close_is_closed_on_demand() {
    let client = client(RULES);
    let pool = pool(&client);
    let now = Instant::now;
    let [bare, ready, busy] = [0, 1, 2].map(|id| open(&pool, id, Protocol::Http2, now()));
    for connection in [&ready, &busy] {
        connection.give_pill(Box::<Taken>::default());
    }
    busy.enter(now());
    open(&pool, 3, Protocol::Http1, now());
    assert_eq!(pool.close_idle(), 0, "no request was seen");
    pool.acquire_started();
    assert_eq!(pool.close_idle(), 2);
    assert_eq!(pool.close_idle(), 0, "they are told already");
    let retired = |connection: &Connection| connection.upkeep().unwrap().retired();
    assert_eq!([bare, ready, busy].map(|known| retired(&known)), [None, Some(CloseReason::Requested), None]);
}

#[test]
fn timeouts_count_in_a_row_and_an_answer_ends_the_row() {
    let client = client(Rules { poison_after_timeouts: 2, ..RULES });
    let pool = pool(&client);
    let connection = open(&pool, 1, Protocol::Http2, Instant::now());
    let request = || {
        let request = Request::start(Arc::clone(&pool), &http::Method::GET, Instant::now());
        request.acquire(Instant::now());
        request.bind(&connection);
        request
    };
    let retired = || connection.upkeep().unwrap().retired();
    request().judge_failure(ErrorType::Timeout);
    request().judge_failure(ErrorType::Canceled);
    request().judge_answer(StatusCode::INTERNAL_SERVER_ERROR);
    request().judge_failure(ErrorType::Timeout);
    request().judge_failure(ErrorType::StreamReset);
    assert_eq!(retired(), None);
    request().judge_failure(ErrorType::Timeout);
    assert_eq!(retired(), Some(CloseReason::Poisoned));
    assert!(connection.upkeep().unwrap().is_dead());
}

#[test]
fn only_what_is_asked_for_takes_a_connection_out_of_use() {
    let rules = Rules { poison_on_errors: true, ..RULES };
    for (class, poisons) in [
        (ErrorType::StreamReset, true),
        (ErrorType::ConnectionReset, true),
        (ErrorType::Protocol, true),
        (ErrorType::IncompleteMessage, true),
        (ErrorType::Timeout, false),
        (ErrorType::Canceled, false),
        (ErrorType::Request, false),
        (ErrorType::Body, false),
    ] {
        assert_eq!(rules.failure(class, 5), poisons, "{class}");
        assert!(!RULES.failure(class, 5), "{class}");
    }
}

#[test]
fn an_answer_of_a_failing_server_evicts() {
    let client = client(Rules { evict_on_5xx: true, ..RULES });
    let pool = pool(&client);
    for (status, expected) in [(404, None), (200, None), (599, Some(CloseReason::Evicted))] {
        let connection = open(&pool, u64::from(status), Protocol::Http1, Instant::now());
        let request = Request::start(Arc::clone(&pool), &http::Method::GET, Instant::now());
        request.acquire(Instant::now());
        request.bind(&connection);
        request.judge_answer(StatusCode::from_u16(status).unwrap());
        assert_eq!(connection.upkeep().unwrap().retired(), expected, "{status}");
    }
}

#[test]
fn tickets_are_as_many_as_old_connections_and_come_not_again_at_once() {
    let client = client(Rules { max_age: Some(AGE), ..RULES }).observation(Observation::Estimated);
    let (pool, opened) = (pool(&client), Instant::now());
    for id in 0..2 {
        open(&pool, id, Protocol::Http1, opened);
    }
    open(&pool, 2, Protocol::Http1, opened + AGE);
    let old = opened + AGE;
    let tickets = |at| {
        pool.look_after_connections(at);
        std::iter::from_fn(|| pool.take_ticket(|| true)).count()
    };
    assert_eq!(tickets(opened), 0);
    assert_eq!(tickets(old), 2);
    assert_eq!(tickets(old + LOOK / 2), 0);
    assert_eq!(tickets(old + LOOK), 2);
}

#[test]
fn a_ticket_has_the_reason_of_its_connection_and_is_kept_for_who_can_use_it() {
    let rules = Rules { evict_on_5xx: true, ..RULES };
    let client = client(rules).observation(Observation::Estimated);
    let (pool, opened) = (pool(&client), Instant::now());
    let [failing, stands_in] = [1, 2].map(|id| open(&pool, id, Protocol::Http1, opened));
    failing.retire(CloseReason::Evicted);
    pool.look_after_connections(opened + LOOK);
    assert_eq!(pool.take_ticket(|| false), None);
    assert_eq!(pool.take_ticket(|| true), Some(CloseReason::Evicted));
    assert_eq!(pool.take_ticket(|| true), None);
    #[cfg(feature = "reqwest")]
    {
        stands_in.closes_for_another(CloseReason::Evicted);
        stands_in.close(opened + LOOK);
        let [(reason, ..)] = pool.snapshot(opened + LOOK).closed[..] else { panic!("one close") };
        assert_eq!(reason, CloseReason::Evicted);
    }
}

#[cfg(feature = "reqwest")]
#[test]
fn a_connection_that_was_asked_is_not_asked_for_again() {
    let client = client(Rules { max_age: Some(AGE), ..RULES }).observation(Observation::Estimated);
    let (pool, opened) = (pool(&client), Instant::now());
    let [asked, _old] = [1, 2].map(|id| open(&pool, id, Protocol::Http1, opened));
    asked.closes_for_another(CloseReason::MaxAge);
    pool.look_after_connections(opened + AGE);
    assert_eq!(std::iter::from_fn(|| pool.take_ticket(|| true)).count(), 1);
}

#[cfg(feature = "hyper")]
#[test]
fn a_connection_that_has_an_owner_is_left_alone() {
    let client = client(Rules { max_age: Some(AGE), ..RULES });
    let (pool, opened) = (pool(&client), Instant::now());
    let ready = open(&pool, 0, Protocol::Http2, opened + AGE);
    ready.give_pill(Box::<Taken>::default());
    let all =
        [(1, Protocol::Http1), (2, Protocol::Http2)].map(|(id, speaks)| open(&pool, id, speaks, opened));
    pool.acquire_started();
    assert!(pool.lacks_pill());
    assert!(all[0].retire(CloseReason::Requested), "before it is known that it has one");
    all.iter().for_each(|connection| connection.left_to_its_owner());
    assert!(!pool.lacks_pill());
    pool.look_after_connections(opened + AGE);
    for connection in &all {
        assert!(!connection.retire(CloseReason::Poisoned));
        assert_eq!(connection.upkeep().unwrap().retired(), None);
    }
    assert_eq!(pool.close_idle(), 1, "the other one");
}
