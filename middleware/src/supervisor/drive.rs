//! [`Drive`]: one connection, from when it is there until it is gone.

use std::future::{Future, pending, ready};
use std::time::Duration;

use poolscope_semconv::value::{SupervisorReason, SupervisorState};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::builder::Handled;
use super::link::{Link, Received};
use super::run::Plan;
use super::shared::Shared;
use crate::caught::{Caught, caught};
use crate::said::Said;

/// Why a connection is gone.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) reason: SupervisorReason,
    pub(super) error: Option<String>,
}

impl Lost {
    fn by(reason: SupervisorReason, error: impl Into<String>) -> Self {
        Self { reason, error: Some(error.into()) }
    }
}

/// What lives longer than one connection.
pub(super) struct Drive<'a, M> {
    plan: &'a Plan,
    shared: &'a Shared,
    outbox: &'a mut mpsc::Receiver<M>,
}

/// What happens next.
enum Next<M, O, E> {
    Stop,
    Came(Option<Result<Received<M>, E>>),
    Send(O),
    Silent,
    Ask,
    NoAnswer,
}

/// When something last came, and what was asked since.
struct Pulse {
    came: Instant,
    /// When the other end was asked, if it owes an answer.
    asked: Option<Instant>,
    missed: u32,
}

impl<'a, M: Send + 'static> Drive<'a, M> {
    pub(super) fn new(plan: &'a Plan, shared: &'a Shared, outbox: &'a mut mpsc::Receiver<M>) -> Self {
        Self { plan, shared, outbox }
    }

    /// Until the connection is gone, or is closed because the supervisor is to stop.
    pub(super) async fn drive<L, H>(
        &mut self,
        mut link: L,
        handler: &mut (impl FnMut(L::Incoming) -> H + Send),
    ) -> Lost
    where
        L: Link<Outgoing = M>,
        H: Future<Output: Handled> + Send,
    {
        let lost = self.serve(&mut link, handler).await;
        if let Some(reason) = self.shared.told() {
            self.shared.go(SupervisorState::Closing, reason, None, None);
        }
        // One that has failed, or is in the middle of something, is past a goodbye.
        let is_whole = lost.error.is_none() || leaves_whole(lost.reason);
        if is_whole {
            let _ = timeout(self.plan.close_timeout, link.close()).await;
        }
        lost
    }

    async fn serve<L, H>(&mut self, link: &mut L, handler: &mut (impl FnMut(L::Incoming) -> H + Send)) -> Lost
    where
        L: Link<Outgoing = M>,
        H: Future<Output: Handled> + Send,
    {
        let mut pulse = Pulse { came: Instant::now(), asked: None, missed: 0 };
        loop {
            let lost = match self.next(link, &pulse).await {
                Next::Stop => Some(Lost { reason: SupervisorReason::Requested, error: None }),
                Next::Came(None) => Some(Lost { reason: SupervisorReason::PeerClosed, error: None }),
                Next::Came(Some(Err(error))) => Some(Lost::by(L::reason(&error), error.to_string())),
                Next::Came(Some(Ok(received))) => {
                    let lost = match received {
                        Received::Message(message) => self.handle(handler, message).await,
                        Received::Alive => None,
                    };
                    // While the handler worked, nothing was read.
                    pulse = Pulse { came: Instant::now(), asked: None, missed: 0 };
                    lost
                }
                Next::Send(message) => {
                    let lost = self.in_time::<L>(link.send(message), self.longest_send()).await;
                    self.shared.has_sent(lost.is_some());
                    lost
                }
                Next::Silent => {
                    let limit = self.plan.silence_timeout.unwrap_or_default();
                    Some(Lost::by(SupervisorReason::Silent, format!("nothing came for {}", Said(limit))))
                }
                Next::Ask => {
                    let limit = self.plan.heartbeat.map(|beat| beat.timeout);
                    let lost = self.in_time::<L>(link.ping(), limit).await;
                    pulse.asked = Some(Instant::now());
                    lost
                }
                Next::NoAnswer => {
                    (pulse.asked, pulse.missed) = (None, pulse.missed + 1);
                    self.unanswered(pulse.missed)
                }
            };
            if let Some(lost) = lost {
                return lost;
            }
        }
    }

    async fn next<L: Link<Outgoing = M>>(
        &mut self,
        link: &mut L,
        pulse: &Pulse,
    ) -> Next<L::Incoming, M, L::Error> {
        let silent = self.plan.silence_timeout.map(|limit| pulse.came + limit);
        let (ask, no_answer) = match (self.plan.heartbeat, pulse.asked) {
            (None, _) => (None, None),
            (Some(beat), Some(asked)) => (None, Some(asked + beat.timeout)),
            // One that was not answered is followed by the next at once.
            (Some(_), None) if pulse.missed > 0 => (Some(Instant::now()), None),
            (Some(beat), None) => (Some(pulse.came + beat.interval), None),
        };
        // In no order, so that a server that always has something to say keeps nobody from answering.
        tokio::select! {
            () = self.shared.stop.cancelled() => Next::Stop,
            came = link.recv() => Next::Came(came),
            () = at(silent) => unless_came(link, Next::Silent).await,
            () = at(no_answer) => unless_came(link, Next::NoAnswer).await,
            () = at(ask) => Next::Ask,
            Some(message) = self.outbox.recv() => Next::Send(message),
        }
    }

    /// So many questions in a row were not answered.
    fn unanswered(&self, missed: u32) -> Option<Lost> {
        let beat = self.plan.heartbeat.filter(|beat| missed >= beat.failures)?;
        let times = if missed == 1 { String::new() } else { format!(", {missed} times in a row") };
        let error = format!("asked, it did not answer within {}{times}", Said(beat.timeout));
        Some(Lost::by(SupervisorReason::Unresponsive, error))
    }

    /// How long a message may take to be sent. Where nobody says, no longer than the other end may owe an answer: who sends
    /// does not ask meanwhile.
    fn longest_send(&self) -> Option<Duration> {
        let owed = self.plan.heartbeat.map(|beat| beat.interval + beat.timeout.saturating_mul(beat.failures));
        self.plan.message_timeout.or(owed)
    }

    /// Sends something, if that does not take too long.
    async fn in_time<L: Link>(
        &self,
        send: impl Future<Output = Result<(), L::Error>>,
        limit: Option<Duration>,
    ) -> Option<Lost> {
        let limited = async {
            match limit {
                Some(limit) => timeout(limit, send).await,
                None => Ok(send.await),
            }
        };
        let sent = tokio::select! {
            sent = limited => sent,
            () = self.is_late() => return Some(Lost::by(SupervisorReason::Requested, "it could not be sent")),
        };
        match sent {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Lost::by(L::reason(&error), error.to_string())),
            Err(_) => {
                let limit = limit.unwrap_or_default();
                let error = format!("a message could not be sent within {}", Said(limit));
                Some(Lost::by(SupervisorReason::MessageTimeout, error))
            }
        }
    }

    /// Has the handler work on a message.
    async fn handle<I, H>(&self, handler: &mut (impl FnMut(I) -> H + Send), message: I) -> Option<Lost>
    where
        H: Future<Output: Handled> + Send,
    {
        let limit = self.plan.handler_timeout;
        let handled = caught(|| handler(message));
        let limited = async {
            match limit {
                Some(limit) => timeout(limit, handled).await,
                None => Ok(handled.await),
            }
        };
        let handled = tokio::select! {
            handled = limited => handled,
            () = self.is_late() => {
                return Some(Lost::by(SupervisorReason::Requested, "the handler was cut"));
            }
        };
        match handled {
            Ok(Caught::Done(handled)) => {
                handled.error().map(|error| Lost::by(SupervisorReason::HandlerFailed, error))
            }
            Ok(Caught::Panicked(panic)) => {
                Some(Lost::by(SupervisorReason::HandlerPanicked, format!("the handler panicked: {panic}")))
            }
            Err(_) => {
                let limit = limit.unwrap_or_default();
                let error = format!("the handler took longer than {}", Said(limit));
                Some(Lost::by(SupervisorReason::HandlerTimeout, error))
            }
        }
    }

    /// Ready when what is under way has had its time to end since the supervisor is to stop.
    async fn is_late(&self) {
        self.shared.stop.cancelled().await;
        sleep(self.plan.close_timeout).await;
    }
}

/// What comes now, if anything does: while something was sent, nothing was read.
async fn unless_came<L: Link>(
    link: &mut L,
    next: Next<L::Incoming, L::Outgoing, L::Error>,
) -> Next<L::Incoming, L::Outgoing, L::Error> {
    tokio::select! {
        biased;
        came = link.recv() => Next::Came(came),
        () = ready(()) => next,
    }
}

/// True if the connection did not fail: the other end has closed it in order, or the handler failed.
fn leaves_whole(reason: SupervisorReason) -> bool {
    use SupervisorReason::{HandlerFailed, HandlerPanicked, HandlerTimeout, PeerClosed};
    matches!(reason, PeerClosed | HandlerFailed | HandlerPanicked | HandlerTimeout)
}

/// Ready at a moment, or never.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
