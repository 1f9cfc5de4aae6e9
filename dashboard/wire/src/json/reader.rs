//! The reader of JSON that all types share.

use std::borrow::Cow;

use super::Error;

/// Reading failed; the [`Reader`] knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// A text and how much of it was read.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    what: &'static str,
}

/// Reads one of several things: which of them is the first argument.
type OneOf<'f> = &'f mut dyn FnMut(usize, &mut Reader<'_>) -> Result<(), Failed>;

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, what: "" }
    }

    /// Says what should be there and is not.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn fail<T>(&mut self, what: &'static str) -> Result<T, Failed> {
        self.what = what;
        Err(Failed)
    }

    pub(super) fn error(&self) -> Error {
        Error { what: self.what, at: self.at }
    }

    pub(super) fn end(&mut self) -> Result<(), Failed> {
        if self.peek() == 0 && self.at == self.text.len() { Ok(()) } else { self.fail("the end") }
    }

    /// The next byte that is not blank; 0 at the end.
    fn peek(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return byte,
            }
        }
    }

    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// Goes past a byte if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Failed> {
        if self.take(byte) { Ok(()) } else { self.fail(what) }
    }

    fn word(&mut self, word: &str) -> bool {
        self.peek();
        let is_next = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    pub(super) fn null(&mut self) -> bool {
        self.word("null")
    }

    pub(super) fn truth(&mut self) -> Result<bool, Failed> {
        let truth = self.word("true");
        if truth || self.word("false") { Ok(truth) } else { self.fail("true or false") }
    }

    /// Digits, put at the end of a number as far as they fit; gives how many there were, and how many did not fit.
    fn digits(&mut self, number: &mut u64) -> Result<(i32, i32), Failed> {
        let (mut count, mut left) = (0, 0);
        while let digit @ b'0'..=b'9' = self.byte() {
            self.at += 1;
            count += 1;
            let longer = number.checked_mul(10).and_then(|ten| ten.checked_add(u64::from(digit - b'0')));
            match longer {
                Some(longer) if left == 0 => *number = longer,
                _ => left += 1,
            }
        }
        if count == 0 { self.fail("a number") } else { Ok((count, left)) }
    }

    /// Digits before any point: where there are several, the first is no 0.
    fn leading(&mut self, number: &mut u64) -> Result<i32, Failed> {
        let is_zero = self.byte() == b'0';
        let (count, left) = self.digits(number)?;
        if is_zero && count > 1 { self.fail("a number") } else { Ok(left) }
    }

    pub(super) fn whole(&mut self) -> Result<u64, Failed> {
        let mut number = 0;
        self.peek();
        let left = self.leading(&mut number)?;
        if left == 0 { Ok(number) } else { self.fail("a number") }
    }

    pub(super) fn signed(&mut self) -> Result<i64, Failed> {
        let negative = self.take(b'-');
        let mut number = 0;
        let left = self.leading(&mut number)?;
        let signed =
            if negative { 0_i64.checked_sub_unsigned(number) } else { 0_i64.checked_add_unsigned(number) };
        signed.filter(|_| left == 0).map_or_else(|| self.fail("a number"), Ok)
    }

    /// A number as a float: exactly if it has at most 15 digits or is to become an `f32`, and as near as makes no
    /// difference to an eye else. To be exact always takes tables of 10 kB.
    pub(super) fn number(&mut self) -> Result<f64, Failed> {
        let negative = self.take(b'-');
        let mut digits = 0;
        let mut power = self.leading(&mut digits)?;
        if self.byte() == b'.' {
            self.at += 1;
            let (count, left) = self.digits(&mut digits)?;
            power += left - count;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            let sign = self.byte();
            self.at += usize::from(matches!(sign, b'+' | b'-'));
            let mut exponent = 0;
            let (_, left) = self.digits(&mut exponent)?;
            let exponent = if left > 0 { 9999 } else { exponent.min(9999) as i32 };
            power += if sign == b'-' { -exponent } else { exponent };
        }
        let mut number = digits as f64;
        // Powers of ten are exact up to 22.
        while power != 0 && number != 0.0 && number.is_finite() {
            let step = power.clamp(-22, 22);
            let ten = (0..step.abs()).fold(1.0, |ten, _| ten * 10.0);
            number = if step < 0 { number / ten } else { number * ten };
            power -= step;
        }
        if number.is_infinite() {
            return self.fail("a number");
        }
        Ok(if negative { -number } else { number })
    }

    /// A text; borrowed where nothing in it is escaped.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, Failed> {
        self.expect(b'"', "a text")?;
        let from = self.at;
        let mut text = Cow::Borrowed("");
        let mut piece = from;
        loop {
            match self.byte() {
                // Also at the end, where there is no byte.
                ..b' ' => return self.fail("the end of a text"),
                byte @ (b'"' | b'\\') => {
                    let part = &self.text[piece..self.at];
                    self.at += 1;
                    if byte == b'"' {
                        if piece == from {
                            return Ok(Cow::Borrowed(part));
                        }
                        text.to_mut().push_str(part);
                        return Ok(text);
                    }
                    text.to_mut().push_str(part);
                    let escaped = self.escaped()?;
                    text.to_mut().push(escaped);
                    piece = self.at;
                }
                _ => self.at += 1,
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Failed> {
        let byte = self.byte();
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                let code = match first {
                    // The first half of one outside of the basic plane; the second has to follow at once.
                    0xd800..=0xdbff => 0x1_0000 + ((first - 0xd800) << 10) + self.second_half()?,
                    _ => first,
                };
                char::from_u32(code).map_or_else(|| self.fail("a character"), Ok)?
            }
            _ => return self.fail("a character"),
        })
    }

    /// What the second half of a character outside of the basic plane adds to the first.
    fn second_half(&mut self) -> Result<u32, Failed> {
        if self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u") {
            self.at += 2;
            if let code @ 0xdc00..=0xdfff = self.hex()? {
                return Ok(code - 0xdc00);
            }
        }
        self.fail("a character")
    }

    fn hex(&mut self) -> Result<u32, Failed> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| !digits.starts_with('+'));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.map_or_else(|| self.fail("a character"), Ok)
    }

    /// Goes through the items of a list.
    pub(super) fn list(
        &mut self,
        item: &mut dyn FnMut(&mut Reader<'_>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        self.expect(b'[', "a list")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',', "the end of a list")?;
        }
    }

    /// Goes through a list of so many items, each of its own type.
    pub(super) fn tuple(&mut self, count: usize, item: OneOf<'_>) -> Result<(), Failed> {
        let mut index = 0;
        self.list(&mut |reader| {
            if index == count {
                return reader.fail("the end of a list");
            }
            index += 1;
            item(index - 1, reader)
        })?;
        if index == count { Ok(()) } else { self.fail("an item of a list") }
    }

    /// Goes through the members of an object.
    pub(super) fn members(
        &mut self,
        member: &mut dyn FnMut(&str, &mut Reader<'_>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        self.expect(b'{', "an object")?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.text()?;
            self.expect(b':', "a value")?;
            member(&name, self)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "the end of an object")?;
        }
    }

    /// Reads an object that has all of these members; what else it has is passed over.
    ///
    /// # Errors
    ///
    /// When it is no object, a member is missing or can't be read.
    pub fn object(&mut self, names: &[&'static str], member: OneOf<'_>) -> Result<(), Failed> {
        let mut missing = u64::MAX >> (64 - names.len());
        // They are written in this order.
        let mut next = 0;
        self.members(&mut |name, reader| {
            let found = if names.get(next) == Some(&name) {
                Some(next)
            } else {
                names.iter().position(|known| *known == name)
            };
            let Some(index) = found else { return reader.pass() };
            next = index + 1;
            missing &= !(1 << index);
            member(index, reader)
        })?;
        match names.get(missing.trailing_zeros() as usize) {
            Some(name) => self.fail(name),
            None => Ok(()),
        }
    }

    /// Passes over a value, however deep it is.
    fn pass(&mut self) -> Result<(), Failed> {
        let mut depth = 0_u32;
        loop {
            match self.peek() {
                b'"' => drop(self.text()?),
                b'[' | b'{' => {
                    self.at += 1;
                    depth += 1;
                }
                b']' | b'}' if depth > 0 => {
                    self.at += 1;
                    depth -= 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E' => {
                    while self.byte().is_ascii_alphanumeric() || b"-+.".contains(&self.byte()) {
                        self.at += 1;
                    }
                }
                _ => return self.fail("a value"),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}
