//! Bodies on their way in. A request gets its turn when its body is whole, so that nobody holds a turn by being slow; and
//! all bodies together have a bound, at which those wait unread that are not begun, and the oldest that are not whole go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// How long a sender may take for its body.
const MAX_TIME: Duration = Duration::from_secs(10);
/// What is read for so long may have to go where there is no room: honest bodies arrive at once.
const GRACE: Duration = Duration::from_secs(1);
/// How often to look for room: time alone makes some.
const LOOK: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(crate) struct Intake {
    max_bytes: usize,
    bodies: Mutex<Bodies>,
    /// Rung when there is room again.
    room: Notify,
}

#[derive(Debug, Default)]
struct Bodies {
    held: usize,
    next: u64,
    /// Those that are not whole, the oldest first.
    partial: BTreeMap<u64, Arc<Partial>>,
}

#[derive(Debug)]
struct Partial {
    since: Instant,
    /// Rung when it has to go.
    gone: Notify,
}

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is larger than it may be.
    TooLarge,
    /// It took too long.
    Slow,
    /// Others needed its room.
    Busy,
    /// It broke off.
    Broken(axum::Error),
}

impl Intake {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bodies: Mutex::default(), room: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a body of at most so many bytes. Its room is taken until what is given with it is dropped.
    pub(super) async fn read(&self, body: &mut Body, max_bytes: usize) -> Result<(Bytes, Held<'_>), Unread> {
        let mut held = self.begin();
        let partial = held.partial.clone();
        let reading = async {
            let mut all = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
                if data.len() > max_bytes - all.len() {
                    return Err(Unread::TooLarge);
                }
                held.grow(data.len()).await;
                all.extend_from_slice(&data);
            }
            self.lock().partial.remove(&held.id);
            Ok((all.freeze(), held))
        };
        tokio::select! {
            read = timeout(MAX_TIME, reading) => read.unwrap_or(Err(Unread::Slow)),
            () = partial.gone.notified() => Err(Unread::Busy),
        }
    }

    fn begin(&self) -> Held<'_> {
        let partial = Arc::new(Partial { since: Instant::now(), gone: Notify::new() });
        let mut bodies = self.lock();
        let id = bodies.next;
        bodies.next += 1;
        bodies.partial.insert(id, partial.clone());
        Held { intake: self, id, bytes: 0, partial }
    }
}

/// The room of a body; given back when dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    intake: &'a Intake,
    id: u64,
    bytes: usize,
    partial: Arc<Partial>,
}

impl Held<'_> {
    /// Waits until there is room for so much more.
    async fn grow(&mut self, more: usize) {
        while !self.try_grow(more) {
            // That time has passed is as good.
            let _ = timeout(LOOK, self.intake.room.notified()).await;
        }
    }

    /// Takes more room. Where there is none, the oldest that was read for long enough has to go, this one too.
    fn try_grow(&mut self, more: usize) -> bool {
        let mut bodies = self.intake.lock();
        if bodies.held.saturating_add(more) <= self.intake.max_bytes {
            bodies.held += more;
            self.bytes += more;
            return true;
        }
        if let Some(oldest) = bodies.partial.first_entry()
            && oldest.get().since.elapsed() >= GRACE
        {
            oldest.remove().gone.notify_one();
        }
        false
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut bodies = self.intake.lock();
        bodies.held -= self.bytes;
        bodies.partial.remove(&self.id);
        drop(bodies);
        self.intake.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::sync::mpsc;
    use tokio_stream::StreamExt as _;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    /// A body that is sent piece by piece.
    fn piecemeal() -> (mpsc::Sender<Bytes>, Body) {
        let (sender, pieces) = mpsc::channel(8);
        (sender, Body::from_stream(ReceiverStream::new(pieces).map(Ok::<_, Infallible>)))
    }

    /// Bytes that are held, and bodies that are not whole.
    fn state(intake: &Intake) -> (usize, usize) {
        let bodies = intake.lock();
        (bodies.held, bodies.partial.len())
    }

    fn kilobyte() -> Bytes {
        Bytes::from(vec![0; 1024])
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_within_its_bound_and_its_time() {
        let intake = Intake::new(10_000);
        let (whole, held) = intake.read(&mut Body::from("hello"), 5).await.unwrap();
        assert_eq!((&whole[..], state(&intake)), (&b"hello"[..], (5, 0)));
        drop(held);
        assert_eq!(state(&intake), (0, 0));
        assert!(matches!(intake.read(&mut Body::from("hello!"), 5).await, Err(Unread::TooLarge)));
        let (_sender, mut endless) = piecemeal();
        let began = Instant::now();
        assert!(matches!(intake.read(&mut endless, 5).await, Err(Unread::Slow)));
        assert_eq!(began.elapsed(), MAX_TIME);
        assert_eq!(state(&intake), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn where_there_is_no_room_the_oldest_that_is_not_whole_goes() {
        let intake = Arc::new(Intake::new(3 * 1024));
        let mut senders = Vec::new();
        let mut stuck = Vec::new();
        for _ in 0..2 {
            let (sender, mut body) = piecemeal();
            sender.send(kilobyte()).await.unwrap();
            senders.push(sender);
            let intake = intake.clone();
            stuck.push(tokio::spawn(async move { intake.read(&mut body, 9_000).await.map(|_| ()) }));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What is whole keeps its room.
        let (_, whole) = intake.read(&mut Body::from(kilobyte()), 9_000).await.unwrap();
        let began = Instant::now();
        intake.read(&mut Body::from(kilobyte()), 9_000).await.unwrap();
        assert!((Duration::from_millis(900)..2 * GRACE).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert!(matches!(stuck.remove(0).await.unwrap(), Err(Unread::Busy)));
        drop(senders);
        assert!(stuck.remove(0).await.unwrap().is_ok());
        drop(whole);
        assert_eq!(state(&intake), (0, 0));
    }
}
