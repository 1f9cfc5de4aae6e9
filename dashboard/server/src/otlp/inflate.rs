//! Decompression with a bound: a few kilobytes can become gigabytes.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// Why a body could not be inflated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InflateError {
    /// More came out than is allowed.
    #[error("the body is larger than {0} bytes after decompression; send fewer items at once")]
    TooLarge(usize),
    /// It is no gzip.
    #[error("the body is not valid gzip: {0}")]
    Malformed(#[from] std::io::Error),
}

/// Inflates gzip to at most so many bytes.
pub(crate) fn gunzip(body: &[u8], max_bytes: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflated = Vec::with_capacity(body.len().saturating_mul(4).min(max_bytes));
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(limit).read_to_end(&mut inflated)?;
    if inflated.len() > max_bytes { Err(InflateError::TooLarge(max_bytes)) } else { Ok(inflated) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn it_inflates_up_to_the_bound_and_not_beyond() {
        assert_eq!(gunzip(&gzip(b"hello"), 5).unwrap(), b"hello");
        assert!(matches!(gunzip(&gzip(b"hello!"), 5), Err(InflateError::TooLarge(5))));
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(gunzip(&bomb, 100_000), Err(InflateError::TooLarge(_))));
    }

    #[test]
    fn what_is_no_gzip_is_an_error() {
        assert!(matches!(gunzip(b"hello", 100), Err(InflateError::Malformed(_))));
        let whole = gzip(b"hello");
        assert!(gunzip(&whole[..whole.len() - 3], 100).is_err());
    }
}
