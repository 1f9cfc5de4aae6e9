//! Waiting for a state, with a deadline: level-triggered, so that a state that was there before the wait counts too.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long tests wait for what must happen. Generous, since it is only spent when a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until `check` holds.
///
/// # Panics
/// When it does not hold within [`PATIENCE`]; the message has the last value.
pub async fn until<T: Debug, F: Future<Output = T>>(
    what: &str,
    mut ask: impl FnMut() -> F,
    check: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = ask().await;
        if check(&value) {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}; last seen: {value:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
