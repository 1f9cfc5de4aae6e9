//! Protobuf as it travels: the fields of a message, one after the other, without copying.

/// What is no message, or has a field that holds something else than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its fields do not fit into it")]
pub(crate) struct Malformed;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held<'a> {
    Varint(u64),
    Eight(u64),
    Four,
    /// A message, a text, bytes, or a packed list.
    Bytes(&'a [u8]),
}

impl<'a> Held<'a> {
    pub(super) fn varint(self) -> Result<u64, Malformed> {
        if let Self::Varint(number) = self { Ok(number) } else { Err(Malformed) }
    }

    pub(super) fn eight(self) -> Result<u64, Malformed> {
        if let Self::Eight(number) = self { Ok(number) } else { Err(Malformed) }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// Hands over the numbers of a list of eight-byte numbers, of which a field holds one or all.
    pub(super) fn eights(self, mut each: impl FnMut(u64)) -> Result<(), Malformed> {
        match self {
            Self::Eight(number) => each(number),
            Self::Bytes(packed) => {
                let (numbers, rest) = packed.as_chunks();
                if !rest.is_empty() {
                    return Err(Malformed);
                }
                numbers.iter().for_each(|number| each(u64::from_le_bytes(*number)));
            }
            Self::Varint(_) | Self::Four => return Err(Malformed),
        }
        Ok(())
    }
}

/// The fields of a message, by number. After what does not fit comes nothing more.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Held<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Held<'a>), Malformed> {
        let key = self.varint()?;
        let held = match key & 7 {
            0 => Held::Varint(self.varint()?),
            1 => {
                let (eight, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
                self.0 = rest;
                Held::Eight(u64::from_le_bytes(*eight))
            }
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
                self.0 = rest;
                Held::Bytes(bytes)
            }
            5 => {
                self.0 = self.0.get(4..).ok_or(Malformed)?;
                Held::Four
            }
            // Groups, which OTLP does not have.
            _ => return Err(Malformed),
        };
        Ok((key >> 3, held))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &[u8]) -> Result<Vec<(u64, Held<'_>)>, Malformed> {
        Fields(message).collect()
    }

    #[test]
    fn each_kind_of_field_is_read() {
        let message = [0x08, 0x96, 0x01, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, b'h', b'i', 0x25, 0, 0, 0, 0];
        let all = fields(&message).unwrap();
        assert_eq!(
            all,
            [(1, Held::Varint(150)), (2, Held::Eight(1)), (3, Held::Bytes(b"hi")), (4, Held::Four)]
        );
        assert_eq!((all[2].1.text(), all[0].1.text()), (Ok("hi"), Err(Malformed)));
        assert_eq!(Held::Bytes(&[0xff]).text(), Err(Malformed));
    }

    #[test]
    fn lists_come_in_one_piece_or_in_several() {
        let mut all = Vec::new();
        let mut take = |held: Held<'_>| held.eights(|number| all.push(number));
        take(Held::Eight(7)).unwrap();
        take(Held::Bytes(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])).unwrap();
        assert_eq!(take(Held::Bytes(&[1, 2, 3])), Err(Malformed));
        assert_eq!(take(Held::Varint(1)), Err(Malformed));
        assert_eq!(all, [7, 1, 2]);
    }

    #[test]
    fn what_does_not_fit_is_told_once() {
        for broken in [&[0x08][..], &[0x11, 1], &[0x1a, 9, 1], &[0x25, 1], &[0x0b], &[0xff; 11]] {
            assert_eq!(Fields(broken).collect::<Vec<_>>(), [Err(Malformed)], "{broken:?}");
        }
    }
}
