//! Reads what `cargo test` prints.

/// What the test programs of one or more runs have said.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
    /// Names of the tests that failed.
    pub(super) failures: Vec<String>,
}

impl Counts {
    /// Takes in one line of output.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            for part in result.split(['.', ';']) {
                let mut words = part.split_whitespace();
                let Some(Ok(number)) = words.next().map(str::parse::<u64>) else { continue };
                match words.next() {
                    Some("passed") => self.passed += number,
                    Some("failed") => self.failed += number,
                    Some("ignored") => self.skipped += number,
                    _ => {}
                }
            }
        } else if let Some(name) = failed_name(line) {
            self.failures.push(name.to_owned());
        }
    }

    /// A failure that no test program has told of.
    pub(super) fn fail(&mut self, what: impl Into<String>) {
        self.failed += 1;
        self.failures.push(what.into());
    }
}

fn failed_name(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up() {
        let mut counts = Counts::default();
        let output = "\nrunning 3 tests\ntest one ... ok\ntest two::three ... FAILED\ntest four ... ignored\n\
            test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s\n\
            test result: ok. 20 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s\n";
        output.lines().for_each(|line| counts.read(line));
        assert_eq!(
            counts,
            Counts { passed: 21, failed: 1, skipped: 1, failures: vec!["two::three".to_owned()] }
        );
    }

    #[test]
    fn what_a_test_prints_is_no_result() {
        let mut counts = Counts::default();
        for line in
            ["the test result: 3 passed", "test result: 5 apples", "test thing ... ok", "thread FAILED"]
        {
            counts.read(line);
        }
        assert_eq!(counts, Counts::default());
    }
}
