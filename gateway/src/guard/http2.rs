//! Frames of an HTTP/2 connection, counted as they pass.
//!
//! The library behind keeps the protocol. What it leaves to others is how often a client may ask for work that costs it
//! nothing: resets, pings, settings, priorities, empty frames, window updates, pieces of a header block.

use std::time::Duration;

use tokio::time::Instant;

use super::pace::HEAD_TIME;
use super::rule::Rule;

/// What comes before the first frame, in bytes.
const PREFACE: u64 = 24;
/// Bytes of a frame's header.
const HEADER: usize = 9;
/// Pieces of one header block after the first.
const CONTINUATIONS: u32 = 32;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// The header of a frame (RFC 9113, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Frame {
    fn read(bytes: [u8; HEADER]) -> Self {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte));
        Self {
            length: number(&bytes[..3]),
            kind: bytes[3],
            flags: bytes[4],
            stream: number(&bytes[5..]) & 0x7fff_ffff,
        }
    }
}

/// Finds the headers of frames in bytes that come in any pieces.
#[derive(Debug, Default)]
struct Frames {
    /// Bytes to pass over until the next header.
    skip: u64,
    header: [u8; HEADER],
    have: usize,
}

impl Frames {
    /// The next header in these bytes, which are left after it.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        *bytes = &bytes[skip..];
        self.skip -= u64::try_from(skip).unwrap_or(self.skip);
        if self.skip > 0 {
            return None;
        }
        let count = (HEADER - self.have).min(bytes.len());
        self.header[self.have..self.have + count].copy_from_slice(&bytes[..count]);
        *bytes = &bytes[count..];
        self.have += count;
        if self.have < HEADER {
            return None;
        }
        self.have = 0;
        let frame = Frame::read(self.header);
        self.skip = u64::from(frame.length);
        Some(frame)
    }

    /// Whether the next byte begins a frame.
    fn between(&self) -> bool {
        self.skip == 0 && self.have == 0
    }
}

/// A bucket that fills again as time passes.
#[derive(Debug)]
struct Bucket {
    left: f64,
    size: f64,
    per_second: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn new(size: u32, refill: u32, time: Duration) -> Self {
        Self {
            left: f64::from(size),
            size: f64::from(size),
            per_second: f64::from(refill) / time.as_secs_f64(),
            at: None,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let since = self.at.map_or(Duration::ZERO, |at| now.duration_since(at));
        self.at = Some(now);
        self.left = (self.left + since.as_secs_f64() * self.per_second).min(self.size);
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }

    fn earn(&mut self, count: f64) {
        self.left = (self.left + count).min(self.size);
    }
}

/// The frames of one connection.
#[derive(Debug)]
pub struct Flow {
    received: Frames,
    sent: Frames,
    control: Bucket,
    resets: Bucket,
    windows: Bucket,
    continuations: u32,
    /// When the headers began that are not whole yet.
    headers_since: Option<Instant>,
    /// Whether the frame that is being received is the last one of them.
    last_piece: bool,
    last_stream: u32,
}

impl Default for Flow {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            received: Frames {
                skip: PREFACE,
                ..Frames::default()
            },
            sent: Frames::default(),
            control: Bucket::new(50, 10, second),
            resets: Bucket::new(100, 100, Duration::from_secs(30)),
            windows: Bucket::new(1_000, 100, second),
            continuations: 0,
            headers_since: None,
            last_piece: false,
            last_stream: 0,
        }
    }
}

impl Flow {
    /// Counts what the client sent; the rule that it broke, when it did.
    pub fn received(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Rule> {
        while let Some(frame) = self.received.next(&mut bytes) {
            self.count(frame, now)?;
        }
        if self.received.skip == 0 {
            self.end_headers();
        }
        match self.headers_end() {
            Some(end) if now >= end => Err(Rule::HeadTime),
            _ => Ok(()),
        }
    }

    /// When the headers have to be whole that have begun.
    pub fn headers_end(&self) -> Option<Instant> {
        self.headers_since.map(|since| since + HEAD_TIME)
    }

    /// The frame before is whole; with the last piece of headers these are.
    fn end_headers(&mut self) {
        if self.last_piece {
            self.headers_since = None;
        }
    }

    fn count(&mut self, frame: Frame, now: Instant) -> Result<(), Rule> {
        self.end_headers();
        let (enough, rule) = match frame.kind {
            HEADERS => {
                self.continuations = 0;
                self.headers_since = Some(now);
                self.last_piece = frame.flags & END_HEADERS != 0;
                self.last_stream = self.last_stream.max(frame.stream);
                return Ok(());
            }
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => return Ok(()),
            CONTINUATION => {
                self.continuations += 1;
                self.last_piece = frame.flags & END_HEADERS != 0;
                (self.continuations <= CONTINUATIONS, Rule::ContinuationFlood)
            }
            RST_STREAM => (self.resets.take(now), Rule::ResetFlood),
            WINDOW_UPDATE => (self.windows.take(now), Rule::WindowFlood),
            // Pings, settings, priorities, empty data, and what nobody knows.
            _ => (self.control.take(now), Rule::ControlFlood),
        };
        if enough { Ok(()) } else { Err(rule) }
    }

    /// Notes what was sent to the client: window updates are for the bytes that it took.
    pub fn sent(&mut self, mut bytes: &[u8]) {
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more precision")]
        self.windows.earn(bytes.len() as f64 / 512.0);
        while self.sent.next(&mut bytes).is_some() {}
    }

    /// The frame that ends the connection (RFC 9113, section 6.8), with `ENHANCE_YOUR_CALM`; none in the midst of another
    /// frame.
    pub fn goaway(&self) -> Option<[u8; 17]> {
        let mut frame = [0, 0, 8, 0x7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb];
        frame[HEADER..HEADER + 4].copy_from_slice(&self.last_stream.to_be_bytes());
        self.sent.between().then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn begun() -> Flow {
        let mut flow = Flow::default();
        let preface = [0; 24];
        flow.received(&preface, Instant::now()).expect("the preface");
        flow
    }

    /// How many of these frames pass when they come so often.
    fn pass(kind: u8, flags: u8, payload: &[u8], every: Duration, most: usize) -> usize {
        let (mut flow, mut now) = (begun(), Instant::now());
        for passed in 0..most {
            if flow.received(&frame(kind, flags, 1, payload), now).is_err() {
                return passed;
            }
            now += every;
        }
        most
    }

    #[test]
    fn g_6_floods_of_each_kind_have_an_end() {
        let at_once = Duration::ZERO;
        for (kind, flags, payload, passes) in [
            (0x6, 0, [0; 8].as_slice(), 50),
            (0x4, 0, &[], 50),
            (0x2, 0, &[0; 5], 50),
            (DATA, 0, &[], 50),
            (0x20, 0, &[], 50),
            (RST_STREAM, 0, &[0; 4], 100),
            (WINDOW_UPDATE, 0, &[0, 0, 0, 1], 1_000),
            (CONTINUATION, 0, &[], 32),
        ] {
            assert_eq!(pass(kind, flags, payload, at_once, 10_000), passes, "kind {kind}");
        }
    }

    #[test]
    fn what_clients_do_goes_on_for_ever() {
        let tenth = Duration::from_millis(100);
        assert_eq!(pass(0x6, 0, &[0; 8], tenth, 10_000), 10_000);
        assert_eq!(pass(RST_STREAM, 0, &[0; 4], tenth * 3, 10_000), 10_000);
        assert_eq!(pass(DATA, 0, &[1], Duration::ZERO, 10_000), 10_000);
        assert_eq!(pass(DATA, END_STREAM, &[], Duration::ZERO, 10_000), 10_000);
        assert_eq!(pass(HEADERS, 0, &[0; 30], Duration::ZERO, 10_000), 10_000);
    }

    #[test]
    fn a_client_that_takes_much_may_say_so_often() {
        let (mut flow, now) = (begun(), Instant::now());
        let (data, update) = (frame(DATA, 0, 1, &[0; 1024]), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 4, 0]));
        for _ in 0..100_000 {
            flow.sent(&data);
            flow.received(&update, now).expect("as much as it took");
        }
    }

    #[test]
    fn g_7_headers_have_to_be_whole_in_time() {
        let whole = frame(HEADERS, END_HEADERS, 1, &[0; 30]);
        let (first, more) = (frame(HEADERS, 0, 1, &[0; 30]), frame(CONTINUATION, 0, 1, &[0; 30]));
        let (last, data) = (frame(CONTINUATION, END_HEADERS, 1, &[0; 30]), frame(DATA, 0, 1, b"abc"));
        let start = Instant::now();
        let end = start + HEAD_TIME;
        for ended in [
            whole.clone(),
            [&first, more.as_slice(), &last].concat(),
            [&whole, &data[..4]].concat(),
            [&whole, &data[..10]].concat(),
        ] {
            let mut flow = begun();
            flow.received(&ended, start).expect("fine");
            assert_eq!(flow.headers_end(), None, "{ended:?}");
        }
        for open in [
            whole[..20].to_vec(),
            first.clone(),
            [first.as_slice(), &more].concat(),
            [&first, &last[..12]].concat(),
        ] {
            let mut flow = begun();
            flow.received(&open, start).expect("in time");
            assert_eq!(flow.headers_end(), Some(end), "{open:?}");
            // Bytes that come later do not put the end off.
            assert_eq!(flow.received(&[0], end), Err(Rule::HeadTime), "{open:?}");
        }
    }

    #[test]
    fn the_last_word_fits_between_frames_only() {
        let mut flow = begun();
        flow.received(&frame(HEADERS, 0, 7, &[]), Instant::now()).expect("fine");
        assert_eq!(flow.goaway().expect("nothing was sent")[9..13], [0, 0, 0, 7]);
        let sent = frame(DATA, 0, 7, b"abc");
        flow.sent(&sent[..10]);
        assert!(flow.goaway().is_none());
        flow.sent(&sent[10..]);
        assert!(flow.goaway().is_some());
    }

    proptest! {
        #[test]
        fn frames_are_found_however_the_bytes_are_cut(
            frames in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..40)), 0..20),
            cuts in prop::collection::vec(1_usize..30, 1..40),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload)).collect();
            let mut found = Vec::new();
            let (mut reader, mut rest, mut cut) = (Frames::default(), bytes.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (mut piece, left) = rest.split_at(rest.len().min(*cut.next().expect("endless")));
                while let Some(frame) = reader.next(&mut piece) {
                    found.push((frame.kind, frame.flags, frame.stream, frame.length as usize));
                }
                rest = left;
            }
            let sent: Vec<_> = frames.iter().map(|(kind, flags, stream, payload)| (*kind, *flags, stream & 0x7fff_ffff, payload.len())).collect();
            prop_assert_eq!(found, sent);
        }
    }
}
