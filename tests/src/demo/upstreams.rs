//! The six upstreams of the demo, each sick in its own way.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::upstream::{HangUp, Options, Reply, Upstream, answer, answer_with};

/// How long the sick upstreams are well, and how long they are not.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time in good health.
    pub well: Duration,
    /// Time of illness after it.
    pub sick: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { well: Duration::from_secs(14), sick: Duration::from_secs(10) }
    }
}

impl Pace {
    /// True if an upstream that started then is ill now.
    fn is_sick(self, started: Instant) -> bool {
        let cycle = (self.well + self.sick).as_secs_f64();
        started.elapsed().as_secs_f64() % cycle >= self.well.as_secs_f64()
    }
}

/// Path of an answer that fills every buffer between server and client.
pub(super) const WHOLE_CATALOG: &str = "/all";

/// All upstreams of the demo.
#[derive(Debug)]
pub struct Upstreams {
    /// Healthy, HTTP/1.1.
    pub catalog: Upstream,
    /// Healthy, HTTP/2, a few streams at a time.
    pub search: Upstream,
    /// Slow for some time, again and again.
    pub payments: Upstream,
    /// Answers 503 with `Retry-After` for some time, then recovers.
    pub inventory: Upstream,
    /// Resets some connections, before or in the middle of the response.
    pub ads: Upstream,
    /// Says `Connection: close` in every response.
    pub legacy: Upstream,
}

impl Upstreams {
    /// Starts all of them.
    ///
    /// # Errors
    /// If a port can't be bound.
    pub async fn start(pace: Pace) -> io::Result<Self> {
        let started = Instant::now();
        let http1 = Options { http1_only: true, ..Options::default() };
        Ok(Self {
            catalog: Upstream::start(http1, |request| async move {
                pause(2, 9).await;
                // A short answer is taken off the connection even if nobody reads it; the whole catalog is not.
                let size = if request.uri().path() == WHOLE_CATALOG { 8 << 20 } else { 2_000 };
                answer(StatusCode::OK, vec![b'c'; size])
            })
            .await?,
            search: Upstream::start(Options { max_streams: Some(8), ..Options::default() }, |_| async {
                pause(5, 30).await;
                answer(StatusCode::OK, vec![b's'; 800])
            })
            .await?,
            payments: Upstream::start(http1, move |_| payments(pace.is_sick(started))).await?,
            inventory: Upstream::start(http1, move |_| inventory(pace.is_sick(started))).await?,
            ads: Upstream::start(Options { reset: true, ..http1 }, |_| ads()).await?,
            legacy: Upstream::start(http1, |_| async {
                pause(3, 12).await;
                answer_with(StatusCode::OK, "old", "connection", "close")
            })
            .await?,
        })
    }
}

async fn payments(is_sick: bool) -> Reply {
    if is_sick {
        pause(200, 1_300).await;
    } else {
        pause(15, 60).await;
    }
    answer(StatusCode::OK, "paid")
}

async fn inventory(is_sick: bool) -> Reply {
    pause(4, 15).await;
    if is_sick {
        answer_with(StatusCode::SERVICE_UNAVAILABLE, "closed for stocktaking", "retry-after", "1")
    } else {
        answer(StatusCode::OK, "42")
    }
}

async fn ads() -> Reply {
    pause(5, 25).await;
    match fastrand::u8(..100) {
        0..8 => Reply::Hang(HangUp),
        8..12 => broken_body(),
        _ => answer(StatusCode::OK, vec![b'a'; 4_000]),
    }
}

/// A response that promises more than it sends, and then breaks.
fn broken_body() -> Reply {
    let frames =
        [Ok(Frame::data(Bytes::from_static(b"half of an ad"))), Err(io::Error::other("no more ads"))];
    let body = StreamBody::new(tokio_stream::iter(frames)).boxed();
    let mut response = Response::new(body);
    response.headers_mut().insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("4000"));
    Reply::Answer(response)
}

async fn pause(from_millis: u64, to_millis: u64) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(from_millis..to_millis))).await;
}
