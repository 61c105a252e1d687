//! Versioned records in an append-only file.
//!
//! One record is one line: `<version> <hash> <json>`. The hash is chained: it
//! covers the line before it too, so a line that is lost, altered or torn is
//! noticed. A torn *last* line is what a crash leaves and is not an error: the
//! record was never written. Anything else that does not hold is reported.

pub mod rollout;
pub mod transaction;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// Characters of a hash that stand in a line.
const HASH_LENGTH: usize = 32;

/// A journal that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Written by a newer program.
    #[error("line {line} has version {version}, and this program knows versions up to {VERSION}")]
    Version {
        /// 1-based.
        line: usize,
        /// What it says.
        version: u32,
    },
    /// A line in the middle is damaged.
    #[error("line {line} is damaged")]
    Damaged {
        /// 1-based.
        line: usize,
    },
    /// A value that has no form as JSON.
    #[error("a record cannot be written: {0}")]
    Encode(String),
}

/// Where a journal ends: what the next line's hash starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tip(String);

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<R> {
    /// The whole records, in order.
    pub records: Vec<R>,
    /// Bytes of the whole lines; what stands behind them was torn by a crash.
    pub valid_length: usize,
    /// For appending.
    pub tip: Tip,
}

fn chained(tip: &Tip, json: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(tip.0.as_bytes());
    hasher.update(b"\n");
    hasher.update(json.as_bytes());
    hasher
        .finalize()
        .to_hex()
        .chars()
        .take(HASH_LENGTH)
        .collect()
}

/// The line for one more record, with its newline; moves the tip on.
///
/// # Errors
/// The record has no form as JSON.
pub fn encode<R: Serialize>(tip: &mut Tip, record: &R) -> Result<String, JournalError> {
    let json =
        serde_json::to_string(record).map_err(|error| JournalError::Encode(error.to_string()))?;
    let hash = chained(tip, &json);
    let line = format!("{VERSION} {hash} {json}\n");
    tip.0 = hash;
    Ok(line)
}

/// Reads a journal back.
///
/// # Errors
/// A line other than the last is damaged, or a newer program wrote it.
pub fn decode<R: DeserializeOwned>(bytes: &[u8]) -> Result<Decoded<R>, JournalError> {
    let mut decoded = Decoded {
        records: Vec::new(),
        valid_length: 0,
        tip: Tip::default(),
    };
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let is_last = decoded.valid_length + line.len() == bytes.len();
        match decode_line(line, number, &decoded.tip)? {
            Some((record, hash)) => {
                decoded.records.push(record);
                decoded.valid_length += line.len();
                decoded.tip = Tip(hash);
            }
            None if is_last => break,
            None => return Err(JournalError::Damaged { line: number }),
        }
    }
    Ok(decoded)
}

/// One line; `None` if it is damaged.
fn decode_line<R: DeserializeOwned>(
    line: &[u8],
    number: usize,
    tip: &Tip,
) -> Result<Option<(R, String)>, JournalError> {
    let parts = || {
        let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let (version, rest) = text.split_once(' ')?;
        let (hash, json) = rest.split_once(' ')?;
        Some((version.parse::<u32>().ok()?, hash, json))
    };
    let Some((version, hash, json)) = parts() else {
        return Ok(None);
    };
    if version > VERSION {
        return Err(JournalError::Version {
            line: number,
            version,
        });
    }
    if hash != chained(tip, json) {
        return Ok(None);
    }
    Ok(serde_json::from_str(json)
        .ok()
        .map(|record| (record, hash.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(records: &[u32]) -> Vec<u8> {
        let mut tip = Tip::default();
        let lines = records
            .iter()
            .map(|record| encode(&mut tip, record).unwrap());
        lines.collect::<String>().into_bytes()
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = journal(&[1, 2, 3]);
        let decoded = decode::<u32>(&bytes).unwrap();
        assert_eq!(decoded.records, [1, 2, 3]);
        assert_eq!(decoded.valid_length, bytes.len());
    }

    #[test]
    fn every_cut_gives_a_prefix_and_can_be_appended_to() {
        let bytes = journal(&[1, 2, 3]);
        for cut in 0..=bytes.len() {
            let mut kept = bytes[..cut].to_vec();
            let mut decoded = decode::<u32>(&kept).unwrap();
            let whole = kept.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(decoded.records.len(), whole, "cut at {cut}");
            kept.truncate(decoded.valid_length);
            kept.extend(encode(&mut decoded.tip, &9_u32).unwrap().into_bytes());
            let again = decode::<u32>(&kept).unwrap().records;
            assert_eq!(again.last(), Some(&9));
            assert_eq!(again.len(), whole + 1);
        }
    }

    #[test]
    fn damage_in_the_middle_is_an_error() {
        let mut bytes = journal(&[1, 2, 3]);
        let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes[second + 5] ^= 1;
        assert_eq!(
            decode::<u32>(&bytes),
            Err(JournalError::Damaged { line: 2 })
        );
        let lines: Vec<_> = journal(&[1, 2, 3])
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let without_second = [lines[0].clone(), lines[2].clone(), lines[2].clone()].concat();
        assert_eq!(
            decode::<u32>(&without_second),
            Err(JournalError::Damaged { line: 2 })
        );
    }

    #[test]
    fn a_newer_version_is_not_guessed_at() {
        let error = decode::<u32>(b"7 abc {}\n").unwrap_err();
        assert_eq!(
            error,
            JournalError::Version {
                line: 1,
                version: 7
            }
        );
    }
}
