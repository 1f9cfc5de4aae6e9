//! A pulse in every order that its threads can take: run by loom, see [`crate::sync`].

use std::sync::Arc;

use loom::thread;

use super::*;

fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_ping_that_is_asked_while_the_last_one_is_answered_can_be_answered() {
    loom::model(|| {
        let rule = Liveness { interval: at(10), timeout: at(2), failures: 2 };
        let pulse = Arc::new(Pulse::new(at(0)));
        pulse.look(at(10), &rule);
        assert!(pulse.send(at(10)));
        let hears = Arc::clone(&pulse);
        let answer = thread::spawn(move || hears.hear(at(11)));
        pulse.look(at(21), &rule);
        answer.join().unwrap();
        if pulse.send(at(21)) {
            assert_eq!(pulse.hear(at(22)), Some(at(1)));
        }
        assert_eq!(pulse.missed(), 0);
    });
}
