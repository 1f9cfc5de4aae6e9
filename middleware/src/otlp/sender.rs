//! Sends requests of one signal: all attempts of each inside of its timeout, and what is lost is counted.
//!
//! Everything happens in the export's own event loop, with clients that are never wrapped by our layers.

use std::time::Duration;

use bytes::Bytes;
use poolscope_semconv::value::Signal;
use prost::Message;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::answer::{Answer, Refused, Taken};
use super::audience::Audience;
use super::config::{Protocol, Target};
use super::dropped::{Dropped, InFlight};
use super::endpoint::shown;
use super::error::OtlpError;
use super::grpc::GrpcClient;
use super::http::HttpSender;
use super::pace::{Outcome, Receiver};
use super::retry::Backoff;
use super::tell::Told;

/// Largest request, before compression; the specification's limit.
const MAX_REQUEST: usize = 64 << 20;

/// Further attempts to reach anybody at all when the program ends, and the wait before each.
const MAX_HURRIED: u32 = 2;
const HURRIED_WAIT: Duration = Duration::from_millis(100);

/// When the export must be over, once it ends.
pub(super) type Ending = watch::Receiver<Option<Instant>>;

/// Sends requests of one signal to one receiver.
#[derive(Debug)]
pub(super) struct Sender {
    way: Way,
    signal: Signal,
    timeout: Duration,
    dropped: Dropped,
    told: Told,
    audience: Audience,
    ending: Ending,
}

/// How a request leaves.
#[derive(Debug)]
enum Way {
    Grpc(Box<GrpcClient>),
    Http(HttpSender),
}

impl Sender {
    /// Prepares a way to the target; nothing is connected yet. Must be called inside of the event loop's context.
    pub(super) fn new(
        target: &Target,
        dropped: Dropped,
        audience: Audience,
        ending: Ending,
    ) -> Result<Self, OtlpError> {
        let way = match target.protocol {
            Protocol::Grpc => Way::Grpc(Box::new(GrpcClient::new(target)?)),
            Protocol::HttpProtobuf => Way::Http(HttpSender::new(target)?),
        };
        let told = Told::new(target.signal, shown(&target.endpoint));
        Ok(Self { way, signal: target.signal, timeout: target.timeout, dropped, told, audience, ending })
    }

    /// Sends a message with so many items. Takes no longer than the timeout of an export, and not beyond its end.
    pub(super) async fn send(&mut self, message: &impl Message, items: usize) -> Outcome {
        let in_flight = InFlight::new(&self.dropped, self.signal, items);
        let body: Bytes = message.encode_to_vec().into();
        let answer = if body.len() > MAX_REQUEST {
            let reason = format!("a request of {} bytes is more than receivers take", body.len());
            Answer { is_dashboard: false, result: Err(Refused::for_good(reason)) }
        } else {
            self.attempts(body).await
        };
        let receiver = Receiver::known(answer.is_dashboard);
        let outcome = match answer.result {
            Ok(Taken { rejected, message }) => {
                in_flight.arrived(rejected);
                self.told.taken(rejected, &message);
                Outcome { delivered: true, receiver: Some(receiver), pause: None }
            }
            Err(refused) => {
                drop(in_flight);
                self.told.refused(&refused);
                let receiver = (answer.is_dashboard || refused.is_answered).then_some(receiver);
                Outcome { delivered: false, receiver, pause: refused.pause }
            }
        };
        self.audience.heard(self.signal, outcome.receiver);
        outcome
    }

    /// True once the export must be over.
    pub(super) fn is_over(&self) -> bool {
        self.ending.borrow().is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Tries until the request is taken, refused for good, or the time is over.
    async fn attempts(&mut self, body: Bytes) -> Answer {
        let body = match &self.way {
            Way::Grpc(_) => body,
            Way::Http(sender) => sender.packed(body),
        };
        let deadline = Instant::now() + self.timeout;
        let mut backoff = Backoff::default();
        let mut begins = self.ending.clone();
        let mut hurried = 0;
        let mut learned = None;
        loop {
            // One more look at the end for each attempt: it may come at any moment, also before the first.
            let attempt = tokio::select! {
                answer = timeout_at(deadline, self.way.send(body.clone())) => answer.ok(),
                () = over(&mut self.ending) => None,
            };
            let Some(mut answer) = attempt else {
                self.way.reconnect();
                return silence();
            };
            let Err(refused) = &mut answer.result else { return answer };
            refused.recall(&mut learned);
            let wait = backoff.next(refused.pause, fastrand::f64());
            if !refused.is_transient || Instant::now() + wait.min(self.timeout) >= deadline {
                return answer;
            }
            // Nobody is there who could be overwhelmed, and a program that ends does not wait for somebody to come; it only
            // gets over a connection that was closed for having been idle.
            let may_hurry = !refused.is_answered;
            let hurries = may_hurry && self.ending.borrow().is_some();
            if hurries {
                hurried += 1;
                if hurried > MAX_HURRIED {
                    return answer;
                }
            }
            let wait = if hurries { wait.min(HURRIED_WAIT) } else { wait };
            tokio::select! {
                () = sleep(wait) => {}
                _ = begun(&mut begins), if may_hurry && !hurries => {}
                () = over(&mut self.ending) => return answer,
            }
        }
    }
}

impl Way {
    async fn send(&self, body: Bytes) -> Answer {
        match self {
            Self::Grpc(client) => client.send(body).await,
            Self::Http(sender) => sender.send(body).await,
        }
    }

    /// Has the next attempt go over a new connection. Over HTTP the one that was given up is closed anyway.
    fn reconnect(&mut self) {
        if let Self::Grpc(client) = self {
            client.reconnect();
        }
    }
}

fn silence() -> Answer {
    let reason = "it did not answer in time".to_owned();
    let refused = Refused { is_transient: true, is_answered: false, is_tls: false, pause: None, reason };
    Answer { is_dashboard: false, result: Err(refused) }
}

/// Waits until the export is to end.
async fn begun(ending: &mut Ending) -> Option<Instant> {
    let known = ending.wait_for(Option::is_some).await;
    known.ok().and_then(|deadline| *deadline)
}

/// Waits until the export must be over.
async fn over(ending: &mut Ending) {
    match begun(ending).await {
        Some(deadline) => sleep_until(deadline).await,
        // Nobody is left who could end it.
        None => std::future::pending().await,
    }
}
