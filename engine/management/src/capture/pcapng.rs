//! The pcapng format (draft-ietf-opsawg-pcapng), as far as a capture of one port needs it.

use std::io::{self, Write};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
/// Tells a reader the byte order.
const MAGIC: u32 = 0x1a2b_3c4d;
const ETHERNET: u16 = 1;
const END: u16 = 0;

/// An option's number and value.
type Field<'a> = (u16, &'a [u8]);

/// Writes blocks, and counts bytes.
pub(super) struct Blocks<W> {
    out: W,
    bytes: u64,
    block: Vec<u8>,
}

impl<W: Write> Blocks<W> {
    /// Writes what stands before the first packet.
    pub(super) fn begin(
        out: W,
        application: &str,
        name: &str,
        device: &str,
        snap: u32,
    ) -> io::Result<Self> {
        let mut blocks = Self {
            out,
            bytes: 0,
            block: Vec::new(),
        };
        let mut head = Vec::new();
        head.extend(MAGIC.to_ne_bytes());
        head.extend(1_u16.to_ne_bytes());
        head.extend(0_u16.to_ne_bytes());
        // The section's length is not known.
        head.extend((-1_i64).to_ne_bytes());
        let os = std::env::consts::OS.as_bytes();
        blocks.put(SECTION, &[&head], &[(3, os), (4, application.as_bytes())])?;
        let mut head = Vec::new();
        head.extend(ETHERNET.to_ne_bytes());
        head.extend(0_u16.to_ne_bytes());
        head.extend(snap.to_ne_bytes());
        // Time stamps in 10^-9 seconds.
        let options: [Field<'_>; 3] = [(2, name.as_bytes()), (3, device.as_bytes()), (9, &[9])];
        blocks.put(INTERFACE, &[&head], &options)?;
        Ok(blocks)
    }

    /// One packet.
    pub(super) fn packet(
        &mut self,
        unix_ns: u64,
        sent: bool,
        length: u32,
        frame: &[u8],
    ) -> io::Result<()> {
        let mut head = [0_u8; 20];
        let taken = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let fields = [0, (unix_ns >> 32) as u32, unix_ns as u32, taken, length];
        for (place, field) in head.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_ne_bytes());
        }
        // Bits 0 and 1: 1 inbound, 2 outbound.
        let flags = (1_u32 + u32::from(sent)).to_ne_bytes();
        self.put(PACKET, &[&head, frame], &[(2, &flags)])
    }

    /// What was seen and lost in all.
    pub(super) fn statistics(&mut self, unix_ns: u64, seen: u64, lost: u64) -> io::Result<()> {
        let mut head = Vec::new();
        for field in [0, (unix_ns >> 32) as u32, unix_ns as u32] {
            head.extend(field.to_ne_bytes());
        }
        let (seen, lost) = (seen.to_ne_bytes(), lost.to_ne_bytes());
        self.put(STATISTICS, &[&head], &[(4, &seen), (5, &lost)])
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands on what is kept back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn put(&mut self, kind: u32, parts: &[&[u8]], options: &[Field<'_>]) -> io::Result<()> {
        let block = &mut self.block;
        block.clear();
        block.extend(kind.to_ne_bytes());
        block.extend([0; 4]);
        for part in parts {
            block.extend(*part);
        }
        pad(block);
        for (number, value) in options {
            let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
            block.extend(number.to_ne_bytes());
            block.extend(length.to_ne_bytes());
            block.extend(value.iter().take(length.into()));
            pad(block);
        }
        block.extend(END.to_ne_bytes());
        block.extend(0_u16.to_ne_bytes());
        let length = u32::try_from(block.len() + 4)
            .unwrap_or(u32::MAX)
            .to_ne_bytes();
        block.extend(length);
        if let Some(place) = block.get_mut(4..8) {
            place.copy_from_slice(&length);
        }
        self.out.write_all(block)?;
        self.bytes += block.len() as u64;
        Ok(())
    }
}

/// Blocks and options end at a multiple of four bytes.
fn pad(block: &mut Vec<u8>) {
    block.resize(block.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_byte_exact() {
        let mut bytes = Vec::new();
        let mut blocks = Blocks::begin(&mut bytes, "twinline", "lan0", "d", 65_535).unwrap();
        let before = blocks.bytes();
        blocks
            .packet(0x1122_3344_5566_7788, true, 9, &[1, 2, 3, 4, 5])
            .unwrap();
        assert_eq!(blocks.bytes(), before + 52);
        blocks.statistics(0, 3, 4).unwrap();
        let total = blocks.bytes();
        assert_eq!(bytes.len() as u64, total);
        let at = usize::try_from(before).unwrap();
        #[rustfmt::skip]
        assert_eq!(bytes[at..at + 52], [
            6, 0, 0, 0, 52, 0, 0, 0,
            0, 0, 0, 0, 0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55, 5, 0, 0, 0, 9, 0, 0, 0,
            1, 2, 3, 4, 5, 0, 0, 0,
            2, 0, 4, 0, 2, 0, 0, 0,
            0, 0, 0, 0, 52, 0, 0, 0,
        ]);
        // Every block says its length at both ends, and the last one ends the file.
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (mut at, mut kinds) = (0, Vec::new());
        while at < bytes.len() {
            let length = word(at + 4);
            assert_eq!(word(at + length - 4), length);
            kinds.push(word(at));
            at += length;
        }
        assert_eq!(kinds, [0x0a0d_0d0a, 1, 6, 5]);
    }
}
