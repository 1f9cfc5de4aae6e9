//! Feeds of prices (Server-Sent Events) and those who watch them: the sessions of the demo, which end in every way.

use std::io;
use std::panic::resume_unwind;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use poolscope::session::{Session, Sessions};
use poolscope::{ConfigError, Scope};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tower::BoxError;

use crate::upstream::{Options, Reply, Upstream, answer};

/// Name of the sessions.
pub const FEEDS: &str = "price feeds";

/// Feeds at a time: enough but when a crowd comes.
const MOST: usize = 12;

/// How long a feed may have nothing to say, and how long one may last.
const IDLE: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(8);

/// Time that a feed has to end, and how much longer the one takes that does not listen.
const GRACE: Duration = Duration::from_secs(1);
const DEAF: Duration = Duration::from_secs(5);

/// From one price to the next.
const TICK: Duration = Duration::from_millis(250);

/// Watchers that come one after the other, those of a crowd, and how often it comes.
const WATCHERS: usize = 6;
const CROWD: usize = 14;
const CROWD_EVERY: Duration = Duration::from_secs(15);

/// What a feed does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// A price at each tick, for ever.
    Stocks,
    /// A few prices, and then the bell.
    Auction,
    /// Nobody trades there.
    Stamps,
    /// Its exchange fails.
    Futures,
    /// Its handler panics.
    Swaps,
    /// Nobody trades there, and its handler looks at nothing but its own clock.
    Bonds,
}

const TOPICS: [(&str, Topic); 6] = [
    ("/stocks", Topic::Stocks),
    ("/auction", Topic::Auction),
    ("/stamps", Topic::Stamps),
    ("/futures", Topic::Futures),
    ("/swaps", Topic::Swaps),
    ("/bonds", Topic::Bonds),
];

type Ticks = mpsc::Sender<io::Result<Frame<Bytes>>>;

/// The server of the feeds and its watchers.
pub(super) struct Feeds {
    sessions: Sessions,
    watchers: JoinSet<()>,
    _server: Upstream,
}

impl Feeds {
    pub(super) async fn start(scope: &Scope) -> Result<Self, BoxError> {
        let sessions = sessions(scope)?;
        let registry = sessions.clone();
        let options = Options { http1_only: true, ..Options::default() };
        let server = Upstream::start(options, move |request| {
            let reply = subscribe(&registry, request.uri().path());
            async { reply }
        })
        .await?;
        // Browsers, so to speak: nobody observes them.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        let mut watchers = JoinSet::new();
        for _ in 0..WATCHERS {
            watchers.spawn(watch_for_ever(client.clone(), server.url("")));
        }
        watchers.spawn(come_in_crowds(client, server.url("/stocks")));
        Ok(Self { sessions, watchers, _server: server })
    }

    /// Sends the watchers away and tells the feeds to end. Does not wait for the one that does not listen.
    pub(super) async fn stop(&mut self) {
        self.sessions.close();
        self.watchers.shutdown().await;
    }
}

fn sessions(scope: &Scope) -> Result<Sessions, ConfigError> {
    let sessions = scope.sessions(FEEDS).idle_timeout(IDLE).max_duration(LONGEST);
    sessions.max_sessions(MOST).overdue_after(GRACE).build()
}

/// Answers with a feed, as long as there is room.
fn subscribe(sessions: &Sessions, path: &str) -> Reply {
    let Some((_, topic)) = TOPICS.into_iter().find(|(of, _)| *of == path) else {
        return answer(StatusCode::NOT_FOUND, "no such feed");
    };
    let session = match sessions.begin(path) {
        Ok(session) => session,
        Err(refused) => return answer(StatusCode::SERVICE_UNAVAILABLE, refused.to_string()),
    };
    let (ticks, body) = mpsc::channel(1);
    tokio::spawn(feed(session, topic, ticks));
    let mut response = Response::new(StreamBody::new(ReceiverStream::new(body)).boxed());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Reply::Answer(response)
}

/// Serves one feed until its session is told to end, or its watcher is gone.
async fn feed(session: Session, topic: Topic, ticks: Ticks) {
    for turn in 1_u32.. {
        tokio::select! {
            _ = session.ended() => break,
            // Nobody watches any more: the session is dropped without a word.
            () = ticks.closed() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        match topic {
            Topic::Auction if turn > 6 => break,
            Topic::Futures if turn > 3 => {
                session.fail("the exchange does not answer");
                return;
            }
            // As a panic does, but for its message on the terminal.
            Topic::Swaps if turn > 3 => resume_unwind(Box::new("no price")),
            Topic::Stamps | Topic::Bonds => continue,
            _ => {}
        }
        let price = format!("data: {topic:?} {}\n\n", fastrand::u32(90..110));
        if ticks.send(Ok(Frame::data(price.into()))).await.is_err() {
            return;
        }
        session.touch();
    }
    if topic == Topic::Bonds {
        tokio::time::sleep(DEAF).await;
    }
    session.complete();
}

/// Watches one feed after the other, some of them not to their end.
async fn watch_for_ever(client: reqwest::Client, url: String) {
    loop {
        let (path, _) = TOPICS[fastrand::usize(..TOPICS.len())];
        let patience = if fastrand::u8(..4) == 0 { Duration::from_secs(1) } else { 2 * LONGEST };
        let watch = watch(&client, format!("{url}{path}"));
        // One that loses patience vanishes.
        let _ = tokio::time::timeout(patience, watch).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(100..1_000))).await;
    }
}

/// Many at once, for a moment.
async fn come_in_crowds(client: reqwest::Client, url: String) {
    loop {
        tokio::time::sleep(CROWD_EVERY / 3).await;
        let mut crowd = JoinSet::new();
        for _ in 0..CROWD {
            let (client, url) = (client.clone(), url.clone());
            crowd.spawn(async move { watch(&client, url).await });
        }
        // Those that are still there vanish with the crowd.
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(crowd);
        tokio::time::sleep(2 * CROWD_EVERY / 3).await;
    }
}

async fn watch(client: &reqwest::Client, url: String) -> reqwest::Result<()> {
    let mut feed = client.get(url).send().await?;
    while feed.chunk().await?.is_some() {}
    Ok(())
}
