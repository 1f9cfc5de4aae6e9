//! [`Turn`]: a request that waits for its turn.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use poolscope_semconv::value::{ErrorType, LimitOutcome};
use poolscope_semconv::{attr, span};

use super::error::{Cause, Refused};
use super::place::Places;
use super::plan::Plan;
use crate::clock::Instant;
use crate::current;
use crate::event::{Event, LimitExceeded};
use crate::registry::{Asked, Gate, Pool, Ticket};
use crate::trace;

/// A request that waits for its turn, at the gate of its pool first and then at the one of its client. Counted once: when
/// it is let through, when it is refused, or when it is dropped before.
#[derive(Debug)]
pub(super) struct Turn {
    plan: Arc<Plan>,
    pool: Arc<Pool>,
    at: At,
    /// The number by which the pool knows it; `None` once its wait is over.
    number: Option<u64>,
}

/// Where a request is.
#[derive(Debug)]
enum At {
    /// In the queue of its pool.
    Pool(Ticket),
    /// In the queue of its client, with its place in the pool.
    Client(Ticket, Places),
    /// Nowhere.
    Over,
}

/// What comes of asking for a place: the place, a turn to wait for, or a refusal.
pub(super) enum Asking {
    In(Places),
    Waiting(Turn),
    Refused(Refused),
}

impl Turn {
    /// Asks for a place. Takes no lock if there is room and nobody waits.
    #[inline]
    pub(super) fn ask(plan: &Arc<Plan>, pool: Arc<Pool>) -> Asking {
        let gate = pool.limit().gate(|| plan.gate(&pool));
        if !gate.try_enter() {
            return Self::ask_to_wait(plan, pool);
        }
        let mut places = Places::of_pool(pool);
        if let Some(total) = &plan.total {
            if !total.try_enter() {
                return Self::ask_total_to_wait(plan, places);
            }
            places.add_total(total);
        }
        places.pool().limit().passed();
        Asking::In(places)
    }

    #[cold]
    fn ask_to_wait(plan: &Arc<Plan>, pool: Arc<Pool>) -> Asking {
        let gate = pool.limit().gate(|| plan.gate(&pool));
        match gate.enter() {
            Asked::In => Self::ask_total_to_wait(plan, Places::of_pool(pool)),
            Asked::Queued(ticket) => Asking::Waiting(Self::waiting(plan, pool, At::Pool(ticket))),
            Asked::Full => {
                pool.limit().refused();
                Asking::Refused(refused(plan, &pool, gate, false, Cause::QueueFull, Duration::ZERO))
            }
        }
    }

    fn ask_total_to_wait(plan: &Arc<Plan>, mut places: Places) -> Asking {
        match enter_total(plan, &mut places) {
            None => {
                places.pool().limit().passed();
                Asking::In(places)
            }
            Some((_, Asked::Queued(ticket))) => {
                let pool = Arc::clone(places.pool());
                Asking::Waiting(Self::waiting(plan, pool, At::Client(ticket, places)))
            }
            Some((total, _)) => {
                places.pool().limit().refused();
                Asking::Refused(refused(plan, places.pool(), total, true, Cause::QueueFull, Duration::ZERO))
            }
        }
    }

    fn waiting(plan: &Arc<Plan>, pool: Arc<Pool>, at: At) -> Self {
        let number = Some(pool.limit().waits(Instant::now()));
        Self { plan: Arc::clone(plan), pool, at, number }
    }

    /// Ready when its turn has come, with how long that took, or when there is no room to wait at the gate of the client.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Places, Duration), Refused>> {
        if let At::Pool(ticket) = &self.at {
            let gate = self.pool.limit().gate(|| self.plan.gate(&self.pool));
            ready!(gate.poll(*ticket, cx.waker()));
            self.at = At::Over;
            let mut places = Places::of_pool(Arc::clone(&self.pool));
            match enter_total(&self.plan, &mut places) {
                None => return Poll::Ready(Ok(self.through(places))),
                Some((_, Asked::Queued(ticket))) => self.at = At::Client(ticket, places),
                Some(_) => {
                    drop(places);
                    return Poll::Ready(Err(self.refuse(true, Cause::QueueFull)));
                }
            }
        }
        if let (At::Client(ticket, _), Some(total)) = (&self.at, &self.plan.total) {
            ready!(total.poll(*ticket, cx.waker()));
        }
        let At::Client(_, mut places) = std::mem::replace(&mut self.at, At::Over) else {
            unreachable!("a turn polled after it was ready")
        };
        if let Some(total) = &self.plan.total {
            places.add_total(total);
        }
        Poll::Ready(Ok(self.through(places)))
    }

    /// Its time is up.
    pub(super) fn time_out(&mut self) -> Refused {
        self.refuse(matches!(self.at, At::Client(..)), Cause::TimedOut)
    }

    fn through(&mut self, places: Places) -> (Places, Duration) {
        (places, self.end(LimitOutcome::AfterWait))
    }

    fn refuse(&mut self, is_total: bool, cause: Cause) -> Refused {
        let waited = self.end(cause.outcome());
        self.leave();
        let total = self.plan.total.as_deref().filter(|_| is_total);
        let gate = total.unwrap_or_else(|| self.pool.limit().gate(|| self.plan.gate(&self.pool)));
        refused(&self.plan, &self.pool, gate, is_total, cause, waited)
    }

    fn end(&mut self, outcome: LimitOutcome) -> Duration {
        let number = self.number.take();
        number.map_or(Duration::ZERO, |number| self.pool.limit().waited(number, outcome, Instant::now()))
    }

    /// Gives up what it has.
    fn leave(&mut self) {
        match std::mem::replace(&mut self.at, At::Over) {
            At::Pool(ticket) => {
                if let Some(gate) = self.pool.limit().known() {
                    gate.give_up(ticket);
                }
            }
            At::Client(ticket, places) => {
                if let Some(total) = &self.plan.total {
                    total.give_up(ticket);
                }
                drop(places);
            }
            At::Over => {}
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.number.is_some() {
            current::dropped_from(&self.pool);
            current::dropped_unsent();
        }
        self.end(LimitOutcome::Canceled);
        self.leave();
    }
}

/// Goes in at the gate of the client, if it has one; if not, tells which gate that is and what it said.
fn enter_total<'a>(plan: &'a Plan, places: &mut Places) -> Option<(&'a Arc<Gate>, Asked)> {
    let total = plan.total.as_ref()?;
    match total.enter() {
        Asked::In => {
            places.add_total(total);
            None
        }
        asked @ (Asked::Queued(_) | Asked::Full) => Some((total, asked)),
    }
}

/// Tells a refusal.
#[cold]
fn refused(plan: &Plan, pool: &Pool, gate: &Gate, is_total: bool, cause: Cause, waited: Duration) -> Refused {
    let crowd = gate.crowd();
    let (max, in_use, queued) = (gate.limit(), crowd.inside, crowd.waiting);
    if let Some(refused) = pool.limit().to_tell(Instant::now()) {
        let pool_name = Arc::clone(pool.name());
        pool.emit(&Event::LimitExceeded(LimitExceeded { pool: pool_name, max, in_use, queued, refused }));
    }
    let name = pool.name();
    let refused = Refused { pool: Arc::clone(name), cause, is_total, max, in_use, queued, waited };
    trace::refused(plan.client.scope(), span::LIMIT_REFUSED, ErrorType::LimitExceeded, &refused, || {
        [
            (attr::CLIENT_NAME, Arc::clone(&name.client)),
            (attr::SERVER_ADDRESS, Arc::clone(&name.host)),
            (attr::LIMIT_OUTCOME, cause.outcome().as_str().into()),
        ]
    });
    refused
}
