//! The limit layer over a service that answers when it is told to.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use poolscope::event::LimitExceeded;
use poolscope::limit::{Adaptive, Cause, Error, HeldBody, LimitBuilder, LimitLayer, Refused};
use poolscope::timeout::TimeoutLayer;
use poolscope::{Event, LimitOutcome, LimitSnapshot, PoolSnapshot, Scope};
use poolscope_semconv::value::{AcquireOutcome, BlockingReason};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<Response<String>, io::Error>;
type Asked = (String, oneshot::Sender<Answer>);
type Held = Response<HeldBody<String>>;
type Client = BoxCloneSyncService<Request<()>, Held, Error<io::Error>>;

/// The requests that have come, each with the way to answer it.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Vec<Asked>>>);

impl Server {
    fn service(
        &self,
    ) -> impl Service<Request<()>, Response = Response<String>, Error = io::Error, Future: Send> + Clone + use<>
    {
        let server = self.clone();
        service_fn(move |request: Request<()>| {
            let (send, answer) = oneshot::channel();
            server.0.lock().unwrap().push((request.uri().to_string(), send));
            async move { answer.await.unwrap_or_else(|_| Err(io::Error::other("not answered"))) }
        })
    }

    /// How many requests have come and are not answered.
    fn asked(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Answers the oldest request, and tells where it went.
    fn answer(&self, answer: Answer) -> String {
        let (uri, send) = self.0.lock().unwrap().remove(0);
        // Whoever has asked may be gone.
        let _ = send.send(answer);
        uri
    }

    fn ok(&self) -> String {
        self.answer(Ok(Response::new("body".to_owned())))
    }
}

struct World {
    scope: Scope,
    server: Server,
    client: Client,
}

fn world(options: impl FnOnce(LimitBuilder) -> LimitBuilder) -> World {
    let (scope, server) = (Scope::new(), Server::default());
    let layer = options(LimitLayer::builder(&scope.client("test"))).build().unwrap();
    let client = BoxCloneSyncService::new(layer.layer(server.service()));
    World { scope, server, client }
}

impl World {
    /// A request in a task of its own, which has asked the limit when this returns.
    async fn call(&self, path: &str) -> JoinHandle<Result<Held, Error<io::Error>>> {
        let mut client = self.client.clone();
        let request = Request::get(format!("http://{path}")).body(()).unwrap();
        let task = tokio::spawn(async move { client.ready().await?.call(request).await });
        settle().await;
        task
    }

    fn pool(&self, host: &str) -> PoolSnapshot {
        self.scope.snapshot().pools.into_iter().find(|pool| pool.host == host).unwrap()
    }

    fn limit(&self, host: &str) -> LimitSnapshot {
        self.pool(host).limit.unwrap()
    }

    /// In use and queued.
    fn crowd(&self, host: &str) -> (u64, u64) {
        let limit = self.limit(host);
        (limit.in_use, limit.queued)
    }

    /// At once, after a wait, queue full, timed out, canceled.
    fn outcomes(&self, host: &str) -> Vec<u64> {
        self.limit(host).calls.iter().map(|(_, calls)| *calls).collect()
    }
}

/// Lets all tasks go on until they wait.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

fn refused<T>(result: Result<T, Error<io::Error>>) -> Refused {
    match result {
        Err(Error::Refused(refused)) => refused,
        Err(Error::Inner(error)) => panic!("the service failed: {error}"),
        Ok(_) => panic!("it was let through"),
    }
}

/// Destinations beyond the most pools share one, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_slow_destination_beyond_the_most_pools_holds_up_no_other() {
    let (scope, server) = (Scope::builder().max_pools(1).build(), Server::default());
    let layer = LimitLayer::builder(&scope.client("test")).per_destination(1).total(4).build().unwrap();
    let client = BoxCloneSyncService::new(layer.layer(server.service()));
    let world = World { scope, server, client };
    let paths = ["a/1", "a/2", "slow/1", "slow/2", "fast/1", "fast/2"];
    let mut calls = Vec::new();
    for path in paths {
        calls.push(world.call(path).await);
    }
    assert_eq!(world.server.asked(), 4, "all but the second one to a, and the last one for the total");
    assert_eq!(
        (world.crowd("a"), world.crowd("_OTHER")),
        ((1, 1), (4, 1)),
        "who waits for the total has its place in the pool"
    );
    // The places of those that are answered go to the two that wait.
    let waiting = [calls.remove(5), calls.remove(1)];
    for call in calls.into_iter().chain(waiting) {
        world.server.ok();
        drop(call.await.unwrap().unwrap());
        settle().await;
    }
    assert_eq!(world.crowd("_OTHER"), (0, 0));
    assert_eq!(world.outcomes("_OTHER"), [3, 1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_body_is_over() {
    let world = world(|limit| limit.per_destination(1));
    let first = world.call("a/1").await;
    let second = world.call("a/2").await;
    assert_eq!((world.server.asked(), world.crowd("a")), (1, (1, 1)));

    world.server.ok();
    let response = first.await.unwrap().unwrap();
    settle().await;
    assert_eq!((world.server.asked(), world.crowd("a")), (0, (1, 1)), "the head is not the end");

    drop(response);
    settle().await;
    assert_eq!((world.server.asked(), world.crowd("a")), (1, (1, 0)));
    assert_eq!(world.server.ok(), "http://a/2");
    drop(second.await.unwrap().unwrap());
    assert_eq!(world.crowd("a"), (0, 0));
    assert_eq!(world.outcomes("a"), [1, 1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served() {
    let world = world(|limit| limit.per_destination(1));
    let mut tasks = Vec::new();
    for number in 0..5 {
        tasks.push(world.call(&format!("a/{number}")).await);
    }
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(world.server.ok(), format!("http://a/{number}"));
        drop(task.await.unwrap().unwrap());
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_destination_holds_up_no_other() {
    let world = world(|limit| limit.per_destination(1).destination(&"http://b/".parse().unwrap(), 2));
    for host in ["a", "a", "b", "b", "b"] {
        world.call(&format!("{host}/")).await;
    }
    assert_eq!((world.crowd("a"), world.crowd("b")), ((1, 1), (2, 1)));
    assert_eq!((world.limit("a").max, world.limit("b").max), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_to_wait_is_refused_at_once_in_words() {
    let world = world(|limit| limit.per_destination(2).max_queued(1));
    for _ in 0..3 {
        world.call("a/").await;
    }
    let refused = refused(world.call("a/").await.await.unwrap());
    assert_eq!((refused.cause, refused.max, refused.in_use, refused.queued), (Cause::QueueFull, 2, 2, 1));
    assert_eq!(
        refused.to_string(),
        "the limit of http://a:80 of client test refused the request, since its queue is full (2 of 2 are in flight, 1 wait)"
    );
    assert_eq!(world.outcomes("a"), [2, 0, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_the_acquire_timeout() {
    let world = world(|limit| limit.per_destination(1).acquire_timeout(3 * SECOND));
    let _first = world.call("a/").await;
    let second = world.call("a/").await;
    advance(2 * SECOND).await;
    let refused = refused(second.await.unwrap());
    assert_eq!((refused.cause, refused.is_total), (Cause::TimedOut, false));
    assert!(refused.to_string().contains("did not let the request through within"), "{refused}");
    assert_eq!((world.crowd("a"), world.outcomes("a")), ((1, 0), vec![1, 0, 0, 1, 0]));
    assert_eq!(world.server.asked(), 1, "the service was not called for it");
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_leaves_nothing_behind_wherever_it_is() {
    let world = world(|limit| limit.per_destination(1).total(1));
    let in_flight = world.call("a/").await;
    let in_queue = world.call("a/").await;
    let in_total_queue = world.call("b/").await;
    assert_eq!((world.crowd("a"), world.crowd("b")), ((1, 1), (1, 1)));
    let total = &world.scope.snapshot().limits[0];
    assert_eq!((total.max, total.in_use, total.queued), (1, 1, 1));

    in_queue.abort();
    in_total_queue.abort();
    settle().await;
    assert_eq!((world.crowd("a"), world.crowd("b")), ((1, 0), (0, 0)));
    in_flight.abort();
    settle().await;
    assert_eq!(world.crowd("a"), (0, 0));
    let total = &world.scope.snapshot().limits[0];
    assert_eq!((total.in_use, total.queued), (0, 0));
    assert_eq!((world.outcomes("a"), world.outcomes("b")), (vec![1, 0, 0, 0, 1], vec![0, 0, 0, 0, 1]));
}

/// Let in and dropped before it could see that: its place goes to the next one.
#[tokio::test(start_paused = true)]
async fn who_is_let_in_and_dropped_gives_its_place_on() {
    let world = world(|limit| limit.per_destination(1));
    let first = world.call("a/1").await;
    let mut client = world.client.clone();
    let request = Request::get("http://a/2").body(()).unwrap();
    let mut second = Box::pin(client.ready().await.unwrap().call(request));
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let third = world.call("a/3").await;
    first.abort();
    settle().await;
    drop(second);
    settle().await;
    assert_eq!(world.crowd("a"), (1, 0));
    world.server.ok();
    assert_eq!(world.server.ok(), "http://a/3");
    assert!(third.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_its_turn_at_its_destination_and_then_at_the_client() {
    let world = world(|limit| limit.per_destination(2).total(3));
    let mut tasks = Vec::new();
    for path in ["a/1", "a/2", "a/3", "b/4", "b/5"] {
        tasks.push(world.call(path).await);
    }
    assert_eq!(world.server.asked(), 3, "two of a, which then is at its limit, and one of b");
    assert_eq!((world.crowd("a"), world.crowd("b")), ((2, 1), (2, 1)));
    assert_eq!((world.pool("a").pending(), world.pool("b").pending()), (1, 1));
    assert_eq!(world.server.ok(), "http://a/1");
    drop(tasks.remove(0).await.unwrap().unwrap());
    settle().await;
    assert_eq!(world.crowd("b"), (2, 0), "b/5 waited for the client, and a/3 does so now");
    assert_eq!(world.crowd("a"), (2, 1));
    // In the order in which they were let through.
    for index in [0, 1, 1, 0] {
        world.server.ok();
        drop(tasks.remove(index).await.unwrap().unwrap());
        settle().await;
    }
    assert_eq!((world.crowd("a"), world.crowd("b")), ((0, 0), (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_or_panics_gives_its_place_back() {
    let world = world(|limit| limit.per_destination(1));
    let failed = world.call("a/").await;
    world.server.answer(Err(io::Error::other("broken")));
    assert!(matches!(failed.await.unwrap(), Err(Error::Inner(_))));
    assert_eq!(world.crowd("a"), (0, 0));

    let layer = LimitLayer::builder(&world.scope.client("test")).build().unwrap();
    let mut panics = layer.layer(service_fn(|_: Request<()>| async {
        if true {
            panic!("in the service");
        }
        Ok::<_, io::Error>(Response::new(String::new()))
    }));
    let request = Request::get("http://a/").body(()).unwrap();
    let task = tokio::spawn(async move { panics.ready().await?.call(request).await });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(world.crowd("a"), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_limit_does_is_told_by_the_figures_of_the_pool() {
    let world = world(|limit| limit.per_destination(1).max_queued(2));
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    world.scope.listen(move |event: &Event| heard.lock().unwrap().push(event.clone()));
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(world.call("a/").await);
    }
    sleep(Duration::from_millis(20)).await;
    let pool = world.pool("a");
    let waiting = pool.waiting.clone().unwrap();
    assert_eq!((pool.pending(), waiting.requests, waiting.blocked_by), (2, 2, BlockingReason::Limit));
    assert!(waiting.oldest > Duration::ZERO);
    assert_eq!((pool.acquires_started, pool.outcome(AcquireOutcome::Failed)), (4, 2));
    tasks[2].abort();
    settle().await;
    let pool = world.pool("a");
    assert_eq!((pool.pending(), pool.outcome(AcquireOutcome::Canceled)), (1, 1));
    assert_eq!(pool.limit.unwrap().wait.count(), 1);

    let events = events.lock().unwrap();
    let [Event::LimitExceeded(LimitExceeded { pool, max, in_use, queued, refused })] = &events[..] else {
        panic!("one event a second: {events:?}")
    };
    assert_eq!((&*pool.host, *max, *in_use, *queued, *refused), ("a", 1, 1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn clones_and_layers_of_one_client_share_its_limits() {
    let world = world(|limit| limit.per_destination(1));
    let _first = world.call("a/").await;
    let layer = LimitLayer::builder(&world.scope.client("test")).max_queued(0).build().unwrap();
    let other = layer.layer(world.server.service());
    // A clone made between `poll_ready` and `call` asks by itself, and readiness holds no place.
    let mut clone = other.clone();
    clone.ready().await.unwrap();
    let mut clone_of_ready = clone.clone();
    let request = || Request::get("http://a/").body(()).unwrap();
    let mut waits = pin!(clone_of_ready.ready().await.unwrap().call(request()));
    assert!(matches!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    assert_eq!(world.crowd("a"), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_finds_itself_falls_with_what_the_destination_says() {
    let adaptive = Adaptive::between(2, 20).backoff(0.5);
    let world = world(|limit| limit.per_destination(8).adaptive(adaptive));
    let answer = |status| Ok(Response::builder().status(status).body(String::new()).unwrap());
    let task = world.call("a/").await;
    world.server.answer(answer(StatusCode::SERVICE_UNAVAILABLE));
    task.await.unwrap().unwrap();
    assert_eq!(world.limit("a").max, 4);
    let task = world.call("a/").await;
    world.server.answer(answer(StatusCode::NOT_FOUND));
    task.await.unwrap().unwrap();
    assert_eq!(world.limit("a").max, 4, "an answer, and the limit was not in use");

    // A timeout around it drops the request.
    let timeout = TimeoutLayer::new(&world.scope, "call", SECOND).unwrap();
    let mut client = timeout.layer(world.client.clone());
    let request = Request::get("http://a/").body(()).unwrap();
    assert!(client.ready().await.unwrap().call(request).await.is_err());
    assert_eq!((world.limit("a").max, world.crowd("a")), (2, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_lets_in_those_who_wait() {
    let world = world(|limit| limit.per_destination(2).adaptive(Adaptive::between(1, 20)));
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(world.call("a/").await);
    }
    for task in tasks {
        world.server.ok();
        drop(task.await.unwrap().unwrap());
        settle().await;
    }
    assert!(world.limit("a").max > 4, "{:?}", world.limit("a"));
    assert_eq!(world.outcomes("a"), [2, 18, 0, 0, 0]);
    assert_eq!(world.limit("a").outcome(LimitOutcome::AfterWait), 18);
}
