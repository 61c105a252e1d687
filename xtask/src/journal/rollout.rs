//! The journal of a rollout: one JSON object a line, each with its schema, its
//! number, the hash of the record before it and its own.
//!
//! A last line without its end is what a crash leaves: the record was never
//! written, and is cut off. Anything else that does not hold is an error.

use serde::{Deserialize, Serialize};

use crate::rollout::Event;

/// What this program writes, and all that it reads.
pub const SCHEMA: &str = "rollout/1";

/// A record of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: String,
    /// From 1.
    pub number: u64,
    /// When it was written, in milliseconds since 1970, by the operator's clock:
    /// for people, nothing is decided by it.
    pub time: u64,
    /// The hash of the record before; of nothing, for the first one.
    pub previous: String,
    /// What happened.
    pub record: Event,
}

/// A journal that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The line is not what was written.
    #[error(
        "line {line} of the journal is damaged: {what}; restore it from a copy, or start a new rollout"
    )]
    Damaged {
        /// From 1.
        line: usize,
        /// How.
        what: String,
    },
    /// Another program wrote it.
    #[error(
        "line {line} of the journal has the schema `{schema}`, and this program knows `{SCHEMA}`"
    )]
    Schema {
        /// From 1.
        line: usize,
        /// What it says.
        schema: String,
    },
    /// A value that has no form as JSON.
    #[error("a record cannot be written: {0}")]
    Encode(String),
}

/// Where a journal ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// Records so far.
    pub count: u64,
    /// The hash of the last one.
    pub hash: String,
}

/// What stands before a record's own hash, which is the last thing in its line.
const SEAL: &str = ",\"hash\":\"";

fn hash(sealed: &str) -> String {
    blake3::hash(sealed.as_bytes()).to_hex().to_string()
}

/// The line of one more record, with its newline; moves the end on.
///
/// # Errors
/// The record has no form as JSON.
pub fn encode(end: &mut End, time: u64, record: &Event) -> Result<String, Broken> {
    let entry = Entry {
        schema: SCHEMA.to_owned(),
        number: end.count + 1,
        time,
        previous: end.hash.clone(),
        record: record.clone(),
    };
    let json = serde_json::to_string(&entry).map_err(|error| Broken::Encode(error.to_string()))?;
    let sealed = json.strip_suffix('}').unwrap_or(&json);
    let hash = hash(sealed);
    let line = format!("{sealed}{SEAL}{hash}\"}}\n");
    *end = End {
        count: entry.number,
        hash,
    };
    Ok(line)
}

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// In order.
    pub entries: Vec<Entry>,
    /// Bytes of whole lines; what stands behind them was torn by a crash and
    /// has to be cut off before anything is appended.
    pub valid_length: usize,
    /// For appending.
    pub end: End,
}

impl Decoded {
    /// What happened, for [`crate::rollout::fold`].
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().map(|entry| &entry.record)
    }
}

/// Reads a journal back.
///
/// # Errors
/// A line is damaged or of another schema. A last line without its newline is
/// no error.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Broken> {
    let mut decoded = Decoded {
        entries: Vec::new(),
        valid_length: 0,
        end: End::default(),
    };
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(body) = line.strip_suffix(b"\n") else {
            break;
        };
        let (entry, hash) = decode_line(body, index + 1, &decoded.end)?;
        decoded.end = End {
            count: entry.number,
            hash,
        };
        decoded.entries.push(entry);
        decoded.valid_length += line.len();
    }
    Ok(decoded)
}

fn decode_line(body: &[u8], line: usize, end: &End) -> Result<(Entry, String), Broken> {
    let damaged = |what: &str| Broken::Damaged {
        line,
        what: what.to_owned(),
    };
    #[derive(Deserialize)]
    struct Schema {
        schema: String,
    }
    let text = std::str::from_utf8(body).map_err(|_| damaged("no text"))?;
    // Asked first: another schema may have its seal elsewhere.
    if let Ok(Schema { schema }) = serde_json::from_str(text)
        && schema != SCHEMA
    {
        return Err(Broken::Schema { line, schema });
    }
    let parts = text
        .strip_suffix("\"}")
        .and_then(|text| text.rsplit_once(SEAL));
    let (sealed, own) = parts.ok_or_else(|| damaged("it has no hash at its end"))?;
    if hash(sealed) != own {
        return Err(damaged("its hash does not fit"));
    }
    let entry: Entry = serde_json::from_str(&format!("{sealed}}}"))
        .map_err(|error| damaged(&error.to_string()))?;
    if entry.previous != end.hash || entry.number != end.count + 1 {
        return Err(damaged("it does not follow the record before it"));
    }
    Ok((entry, own.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Outcome;

    fn event(action: u64) -> Event {
        Event::Ended {
            action,
            host: Some("a\",\"hash\":\"b".to_owned()),
            outcome: Outcome::Failed("no \"space\"\n".to_owned()),
        }
    }

    fn journal(count: u64) -> String {
        let mut end = End::default();
        let line = |number| encode(&mut end, 7, &event(number)).unwrap();
        (0..count).map(line).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let text = journal(3);
        let decoded = decode(text.as_bytes()).unwrap();
        let events: Vec<_> = decoded.events().cloned().collect();
        assert_eq!(events, [event(0), event(1), event(2)]);
        for line in text.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok());
        }
    }

    #[test]
    fn a_torn_end_is_cut_off() {
        let text = journal(3);
        for cut in 0..=text.len() {
            let decoded = decode(&text.as_bytes()[..cut]).unwrap();
            let whole = text[..cut].matches('\n').count();
            assert_eq!(decoded.entries.len(), whole, "cut at {cut}");
            let mut again = text[..decoded.valid_length].to_owned();
            let mut end = decoded.end;
            again += &encode(&mut end, 8, &event(9)).unwrap();
            assert_eq!(decode(again.as_bytes()).unwrap().entries.len(), whole + 1);
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let text = journal(3);
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let error = decode(&bytes);
            assert!(error.is_err(), "byte {at}: {error:?}");
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for wrong in [vec![0, 2], vec![1, 2], vec![0, 1, 1], vec![1, 0, 2]] {
            let text: String = wrong.iter().map(|line| lines[*line]).collect();
            assert!(decode(text.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn another_schema_is_named() {
        let error = decode(b"{\"schema\":\"rollout/2\",\"hash\":\"\"}\n").unwrap_err();
        let schema = "rollout/2".to_owned();
        assert_eq!(error, Broken::Schema { line: 1, schema });
    }
}
