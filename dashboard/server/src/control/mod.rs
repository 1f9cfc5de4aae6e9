//! Control: orders of people who have logged in, for breakers of applications that take some.
//!
//! The server calls nobody. An application that has opted in asks, by a header of an export of metrics, and waits for its
//! answer; an order is handed over in that answer and nowhere else. Everything here is in memory and bounded: an order
//! that nobody fetches within [`PATIENCE`] is over, and the application ends by itself what it does.

mod line;
mod order;
mod orders;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poolscope_semconv::protocol::control::{Command, Question};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub(crate) use line::answer;
pub(crate) use order::{list, order};
pub(crate) use orders::Takers;
use orders::{Order, Orders, Refused};

/// How long an order waits for its instance, and for what came of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// An instance by the names that it gives itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Instance {
    service: String,
    id: String,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Control {
    orders: Mutex<Orders>,
    /// Rung when there is a new order; `true` once the server ends.
    bell: watch::Sender<bool>,
}

impl Default for Control {
    fn default() -> Self {
        Self { orders: Mutex::default(), bell: watch::channel(false).0 }
    }
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All orders that are known, the newest first.
    fn list(&self, now_ms: u64) -> Vec<poolscope_wire::Control> {
        self.lock().list(now_ms, Instant::now())
    }

    /// Who takes orders now.
    fn takers(&self) -> Takers {
        self.lock().takers(Instant::now())
    }

    /// Takes an order.
    fn take(&self, order: Order, now_ms: u64) -> Result<poolscope_wire::Control, Refused> {
        let taken = self.lock().take(order, now_ms, Instant::now())?;
        self.bell.send_modify(|_| ());
        Ok(taken)
    }

    /// Hears an instance, and waits for an order for as long as it does; `None` if too many wait.
    async fn hear(&self, question: &Question, now_ms: impl Fn() -> u64) -> Option<Option<Command>> {
        let instance = Instance { service: question.service.clone(), id: question.instance.clone() };
        // Before the first look, so that no order is missed.
        let mut bell = self.bell.subscribe();
        let mut command = self.lock().hear(&instance, question, now_ms(), Instant::now())?;
        let _waiting = Waiting { control: self, instance: &instance };
        let until = Instant::now() + question.wait;
        while command.is_none() && !*bell.borrow_and_update() {
            if !matches!(timeout_at(until, bell.changed()).await, Ok(Ok(()))) {
                break;
            }
            command = self.lock().next(&instance, now_ms(), Instant::now());
        }
        Some(command)
    }

    /// Lets go all that wait: the server ends.
    pub(crate) fn end(&self) {
        self.bell.send_replace(true);
    }
}

/// An instance waits for an answer.
struct Waiting<'a> {
    control: &'a Control,
    instance: &'a Instance,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.control.lock().left(self.instance, Instant::now());
    }
}
