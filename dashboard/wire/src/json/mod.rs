//! Reads the types of this crate from JSON by code that is small: the browser has to download it.
//!
//! Derived by serde for `serde_json`, reading was a third of the download, since each type gets code of its own for each
//! way in which it might be written. Here a type is the list of its fields, and one reader for all of them
//! ([`Reader`]) does the rest. It takes what `serde_json` writes of these types, and less than `serde_json` would: every
//! field has to be there. Tests hold both against each other.

mod reader;
#[cfg(test)]
mod sample;
mod types;

use std::fmt;

pub use reader::{Failed, Reader};

/// Why a text can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// What is missing or not as it should be: a field, or a part of JSON.
    pub what: &'static str,
    /// The byte up to which the text was read.
    pub at: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not there or not as it should be, at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Error {}

/// Reads a text that is one value.
///
/// # Errors
///
/// When the text is not JSON, or not what the type is made of.
pub fn read<T: Read + Default>(text: &str) -> Result<T, Error> {
    let mut value = T::default();
    let mut reader = Reader::new(text);
    match value.read(&mut reader).and_then(|()| reader.end()) {
        Ok(()) => Ok(value),
        Err(Failed) => Err(reader.error()),
    }
}

/// What can be read from JSON.
pub trait Read {
    /// Takes what comes next in the place of what was there.
    ///
    /// # Errors
    ///
    /// When what comes next is something else; the reader knows what.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed>;
}

impl Read for bool {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        *self = reader.truth()?;
        Ok(())
    }
}

impl Read for String {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        *self = reader.text()?.into_owned();
        Ok(())
    }
}

/// Numbers without a sign or a fraction.
macro_rules! whole {
    ($($type:ty)*) => { $(
        impl Read for $type {
            fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
                let number = reader.whole()?;
                *self = number.try_into().or_else(|_| reader.fail("a number"))?;
                Ok(())
            }
        }
    )* }
}

whole!(u8 u16 u32 u64 usize);

impl Read for i64 {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        *self = reader.signed()?;
        Ok(())
    }
}

impl Read for f32 {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        *self = reader.number()? as Self;
        Ok(())
    }
}

impl Read for f64 {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        *self = reader.number()?;
        Ok(())
    }
}

impl<T: Read + Default> Read for Option<T> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        *self = None;
        if !reader.null() {
            self.insert(T::default()).read(reader)?;
        }
        Ok(())
    }
}

impl<T: Read + Default> Read for Vec<T> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        self.clear();
        reader.list(&mut |reader| {
            let mut item = T::default();
            item.read(reader)?;
            self.push(item);
            Ok(())
        })
    }
}

impl<A: Read, B: Read> Read for (A, B) {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        reader
            .tuple(2, &mut |index, reader| if index == 0 { self.0.read(reader) } else { self.1.read(reader) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_json_are_read_as_serde_reads_them() {
        #[track_caller]
        fn same<T>(text: &str)
        where
            T: Read + Default + PartialEq + fmt::Debug + serde::de::DeserializeOwned,
        {
            assert_eq!(read::<T>(text).unwrap(), serde_json::from_str::<T>(text).unwrap(), "{text}");
        }
        same::<Vec<u64>>(" [ ] ");
        same::<Vec<u64>>(" [ 0 ,\n18446744073709551615\t] ");
        same::<Vec<Option<i64>>>("[-9,null,9223372036854775807,-9223372036854775808]");
        same::<Vec<bool>>("[true,false]");
        same::<Vec<f32>>("[0,-0.0,1.5,0.1,16777217,3.4028235e38,1e-45,1.1754944E-38,0.000123,2.5e+3]");
        same::<Vec<f64>>("[0.1,123456.789,1e22,-2.5e-7,1700000000.123,5e-324]");
        same::<Vec<String>>(r#"["","caf\u00e9 \ud83d\ude00 é😀","\"\\\/\b\f\n\r\t\u0007"]"#);
        same::<(String, u16)>(r#"["a",65535]"#);
        same::<Vec<(String, Vec<u8>)>>(r#"[["a\"b",[1,2]],["",[]]]"#);
    }

    #[test]
    fn every_float_of_the_contract_comes_back() {
        let mut bits = 0x9e37_79b9_u32;
        for _ in 0..20_000 {
            bits ^= bits << 13;
            bits ^= bits >> 17;
            bits ^= bits << 5;
            let number = f32::from_bits(bits);
            if number.is_finite() {
                let text = serde_json::to_string(&number).unwrap();
                assert_eq!(read::<f32>(&text).unwrap().to_bits(), bits, "{text}");
            }
        }
    }

    #[test]
    fn every_type_is_read_as_serde_reads_it() {
        #[track_caller]
        fn same<T>()
        where
            T: Read + Default + PartialEq + fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
        {
            let samples = (0..40).map(|start| sample::Sample::of::<T>(start));
            for value in samples.chain([T::default()]) {
                let text = serde_json::to_string(&value).unwrap();
                assert_eq!(read::<T>(&text), Ok(value), "{text}");
            }
        }
        // All that the server answers with, and with it all that is in it.
        same::<crate::Full>();
        same::<crate::Update>();
        same::<crate::PoolDetail>();
        same::<crate::BreakerDetail>();
        same::<crate::FigureHistory>();
        same::<crate::WarningLog>();
        same::<crate::ConnectionLanes>();
        same::<crate::TraceList>();
        same::<crate::TraceDetail>();
        same::<Vec<crate::RuleSetting>>();
        same::<crate::ControlList>();
        same::<crate::ApiError>();
    }

    #[test]
    fn an_empty_list_makes_no_item() {
        #[derive(Debug, PartialEq)]
        struct Never;
        impl Default for Never {
            fn default() -> Self {
                panic!("there is none to make")
            }
        }
        impl Read for Never {
            fn read(&mut self, _: &mut Reader<'_>) -> Result<(), Failed> {
                Err(Failed)
            }
        }
        assert_eq!(read::<Vec<Never>>("[ ]"), Ok(Vec::new()));
        assert_eq!(read::<Option<Never>>("null"), Ok(None));
    }

    #[test]
    fn halves_of_characters_are_taken_together_or_not_at_all() {
        for text in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83dx""#,
            r#""\ud83d\n""#,
            r#""\ud83d\u0041""#,
            r#""\ud83d\ud83d""#,
            r#""\ud83d\ue000""#,
            r#""\ud83d \ude00""#,
            r#""\ud83d\ude0""#,
            r#""\ud83d\u"#,
            r#""\ud83d\"#,
            "\"a\nb\"",
            "\"a\0b\"",
        ] {
            assert!(serde_json::from_str::<String>(text).is_err(), "{text}");
            assert!(read::<String>(text).is_err(), "{text}");
        }
        assert_eq!(read::<String>(r#""\ud800\udc00\udbff\udfff""#).unwrap(), "\u{10000}\u{10ffff}");
    }

    #[test]
    fn what_is_nested_without_end_is_passed_over_or_refused() {
        let deep = "[{\"a\":".repeat(200_000);
        assert!(read::<crate::Spread>(&format!("{{\"other\":{deep}")).is_err());
        assert!(read::<Vec<u8>>(&deep).is_err());
        let whole = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        let text = format!("{{\"other\":{whole},\"p50\":1,\"p95\":2,\"count\":3}}");
        assert_eq!(read(&text), Ok(crate::Spread { p50: 1.0, p95: 2.0, count: 3 }));
    }

    #[test]
    fn damaged_texts_are_read_or_refused_as_serde_does() {
        const PARTS: [&str; 30] = [
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"",
            "\\",
            "\\u",
            "\\ud83d",
            "\\ude00",
            "\\u00e9",
            "d800",
            "0",
            "1",
            "-",
            "+",
            ".",
            "e",
            "E9",
            "99999999999999999999",
            " ",
            "\n",
            "\0",
            "null",
            "true",
            "a",
            "\u{e9}",
            "\u{1f600}",
            "\t",
        ];
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |end: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % end as u64) as usize
        };
        let mut damage = |text: &str| {
            let mut characters: Vec<String> = text.chars().map(String::from).collect();
            for _ in 0..=below(3) {
                let at = below(characters.len() + 1);
                let until = (at + below(3)).min(characters.len());
                let part = (below(3) > 0).then(|| PARTS[below(PARTS.len())].to_owned());
                characters.splice(at..until, part);
            }
            characters.concat()
        };
        let (mut taken, mut refused) = (0, 0);
        let mut both = |is_taken: bool| *(if is_taken { &mut taken } else { &mut refused }) += 1;
        for _ in 0..20_000 {
            let text = damage(r#"["a\u00e9\ud83d\ude00b","","\"\\\n"]"#);
            let (ours, serde) = (read::<Vec<String>>(&text), serde_json::from_str::<Vec<String>>(&text));
            both(ours.is_ok());
            assert_eq!(ours.ok(), serde.ok(), "{text:?}");
            let text = damage(r#"[[0,-12,null],[],[9223372036854775807, -9223372036854775808 ]]"#);
            let ours = read::<Vec<Vec<Option<i64>>>>(&text);
            // A 0 with a sign is a float to serde.
            if !text.contains("-0") {
                assert_eq!(ours.ok(), serde_json::from_str(&text).ok(), "{text:?}");
            }
            let text = damage(r#"[["a",[1,255]],["b",[]],["",[0]]]"#);
            let ours = read::<Vec<(String, Vec<u8>)>>(&text);
            both(ours.is_ok());
            if !text.contains("-0") {
                assert_eq!(ours.ok(), serde_json::from_str(&text).ok(), "{text:?}");
            }
            let text = damage("[0.5,-1.25e-3,12,1e22,0]");
            let (ours, serde) = (read::<Vec<f64>>(&text), serde_json::from_str::<Vec<f64>>(&text));
            both(ours.is_ok());
            assert_eq!(ours.is_ok(), serde.is_ok(), "{text:?}: {ours:?}, {serde:?}");
            let (ours, serde) = (ours.unwrap_or_default(), serde.unwrap_or_default());
            let is_near = |(one, other): (&f64, &f64)| (one - other).abs() <= other.abs() * 1e-14 + 1e-300;
            assert!(ours.len() == serde.len() && ours.iter().zip(&serde).all(is_near), "{text:?}");
            // Of what is passed over, serde does not look at escapes, and this reader not at how things follow.
            let text = damage(r#"{"p50":1.5,"x":[{"y":"]"},null],"p95":2,"count":3}"#);
            if !text.contains("\\u")
                && let Ok(serde) = serde_json::from_str::<crate::Spread>(&text)
            {
                assert_eq!(read(&text), Ok(serde), "{text:?}");
            }
        }
        assert!(taken > 1_000 && refused > 1_000, "{taken} and {refused}");
    }

    #[test]
    fn fields_come_in_any_order_and_all_of_them_have_to() {
        let spread = crate::Spread { p50: 1.0, p95: 2.0, count: 3 };
        let text = r#"{"count":3,"new":[{"a":["]",1e3,null]},{}],"p95":2,"other":false,"p50":1}"#;
        assert_eq!(read::<crate::Spread>(text), Ok(spread));
        let error = read::<crate::Spread>(r#"{"p50":1,"count":3}"#).unwrap_err();
        assert_eq!(error.what, "p95");
        assert!(read::<crate::Severity>("\"good\"").is_err());
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let what = |text: &str| read::<Vec<u8>>(text).unwrap_err().to_string();
        assert_eq!(what("[1,"), "a number is not there or not as it should be, at byte 3");
        assert_eq!(what("[256]"), "a number is not there or not as it should be, at byte 4");
        for text in [
            "",
            "[",
            "[1",
            "[1 2]",
            "[1]]",
            "[,]",
            "[1,]",
            "{}",
            "null",
            "[-1]",
            "[1.5]",
            "[\"1\"]",
            "[99999999999999999999]",
        ] {
            assert!(read::<Vec<u8>>(text).is_err(), "{text}");
        }
        for text in [r#""a"#, r#""\x""#, r#""\u12"#, r#""\ud800x""#, "1", "\"a\" \"b\""] {
            assert!(read::<String>(text).is_err(), "{text}");
        }
        for text in ["1.", ".5", "-", "1e", "+1", "0x1", "NaN", "1e999", ""] {
            assert!(read::<f64>(text).is_err(), "{text}");
        }
        assert!(read::<bool>("tru").is_err() && read::<Option<u8>>("nul").is_err());
    }
}
