//! [`Slot`] in every order that its threads can take.

use loom::sync::Arc;
use loom::thread;

use super::*;

fn traced(number: u64) -> Traced {
    let trace_id = u128::from(number) << 64 | u128::from(number);
    Traced {
        trace: TraceRef { trace_id, span_id: number, is_sampled: true },
        at: Instant::from_nanos(number),
    }
}

fn is_whole((value, read): (u64, Traced)) -> bool {
    read == traced(value)
}

#[test]
fn what_is_read_was_written_in_one_piece() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let slot = Arc::new(Slot::new());
        slot.offer(1, traced(1));
        let writers: Vec<_> = [2, 3]
            .map(|number| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.offer(number, traced(number)))
            })
            .into();
        assert!(slot.read().is_none_or(is_whole));
        for writer in writers {
            writer.join().unwrap();
        }
        // A slower one that came while the other one was written is left out, but one of the two is there.
        let (value, read) = slot.read().expect("nobody writes any more");
        assert!(value >= 2 && is_whole((value, read)));
    });
}
