//! The machine that runs a compiled filter: the classic Berkeley packet filter (BPF, of
//! 1993), in safe code and with the length that a cut frame had on the wire.

use crate::packet::Frame;

/// Steps of one run at most. A program of straight lines and jumps ahead needs no more than its
/// length; libpcap writes loops only to walk chains of headers.
const STEPS_MAX: usize = 1 << 16;

/// Words of scratch memory.
const MEMORY_WORDS: usize = 16;

/// One instruction: the operation, where to jump, an operand.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

/// A compiled filter.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    program: Vec<Instruction>,
}

/// Registers and memory.
struct Run<'f> {
    bytes: &'f [u8],
    wire_len: u32,
    a: u32,
    x: u32,
    memory: [u32; MEMORY_WORDS],
}

impl Machine {
    /// Reads instructions from their text, four decimal numbers each; `None` where it is not so.
    pub(super) fn read(instructions: impl Iterator<Item = String>) -> Option<Self> {
        let program = instructions.map(|text| {
            let mut numbers = text.split(' ');
            Some(Instruction {
                code: numbers.next()?.parse().ok()?,
                if_true: numbers.next()?.parse().ok()?,
                if_false: numbers.next()?.parse().ok()?,
                operand: numbers.next()?.parse().ok()?,
            })
        });
        program.collect::<Option<_>>().map(|program| Self { program })
    }

    /// How many instructions it has.
    pub(super) fn length(&self) -> usize {
        self.program.len()
    }

    /// Whether the filter passes the frame. A load beyond its end, a division by zero and
    /// everything else that a sound program would not do refuses it.
    #[inline]
    pub(super) fn run(&self, frame: &Frame<'_>) -> bool {
        let (bytes, wire_len) = (frame.bytes, frame.wire_len);
        let mut run = Run { bytes, wire_len, a: 0, x: 0, memory: [0; MEMORY_WORDS] };
        let mut place = 0_usize;
        for _ in 0..STEPS_MAX {
            let Some(&instruction) = self.program.get(place) else { return false };
            place = place.wrapping_add(1);
            match instruction.code & 0x07 {
                JUMP => place = place.wrapping_add(run.jump(instruction)),
                RETURN => return run.value(instruction) > 0,
                _ if run.step(instruction).is_none() => return false,
                _ => {}
            }
        }
        false
    }
}

const LOAD: u16 = 0x00;
const LOAD_X: u16 = 0x01;
const STORE: u16 = 0x02;
const STORE_X: u16 = 0x03;
const ARITHMETIC: u16 = 0x04;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;

impl Run<'_> {
    /// Does anything but a jump or the end; `None` refuses the frame.
    #[inline]
    fn step(&mut self, instruction: Instruction) -> Option<()> {
        let (code, operand) = (instruction.code, instruction.operand);
        match code & 0x07 {
            LOAD => self.a = self.load(code, operand)?,
            LOAD_X => self.x = self.load(code, operand)?,
            STORE => *self.memory.get_mut(operand as usize)? = self.a,
            STORE_X => *self.memory.get_mut(operand as usize)? = self.x,
            ARITHMETIC => self.a = self.arithmetic(code, operand)?,
            // What is left moves between the registers.
            _ if code & 0xf8 == 0 => self.x = self.a,
            _ => self.a = self.x,
        }
        Some(())
    }

    #[inline]
    fn load(&self, code: u16, operand: u32) -> Option<u32> {
        match code & 0xe0 {
            0x00 => Some(operand),
            0x20 => self.bytes_at(code, operand as usize),
            0x40 => self.bytes_at(code, (operand as usize).checked_add(self.x as usize)?),
            0x60 => self.memory.get(operand as usize).copied(),
            0x80 => Some(self.wire_len),
            // The length of an IPv4 header, from its first byte.
            0xa0 => self.bytes.get(operand as usize).map(|byte| u32::from(byte & 0x0f) * 4),
            _ => None,
        }
    }

    /// The number at `place` in network order: a word, a half of one, or a byte.
    #[inline]
    fn bytes_at(&self, code: u16, place: usize) -> Option<u32> {
        let rest = self.bytes.get(place..)?;
        match code & 0x18 {
            0x00 => rest.first_chunk().map(|&word| u32::from_be_bytes(word)),
            0x08 => rest.first_chunk().map(|&half| u32::from(u16::from_be_bytes(half))),
            _ => rest.first().map(|&byte| u32::from(byte)),
        }
    }

    /// What the instruction names besides the accumulator: its operand, or the index register.
    #[inline]
    const fn other(&self, code: u16, operand: u32) -> u32 {
        if code & 0x08 == 0 { operand } else { self.x }
    }

    #[inline]
    fn arithmetic(&self, code: u16, operand: u32) -> Option<u32> {
        let other = self.other(code, operand);
        Some(match code & 0xf0 {
            0x00 => self.a.wrapping_add(other),
            0x10 => self.a.wrapping_sub(other),
            0x20 => self.a.wrapping_mul(other),
            0x30 => self.a.checked_div(other)?,
            0x40 => self.a | other,
            0x50 => self.a & other,
            0x60 => self.a.checked_shl(other).unwrap_or(0),
            0x70 => self.a.checked_shr(other).unwrap_or(0),
            0x80 => self.a.wrapping_neg(),
            0x90 => self.a.checked_rem(other)?,
            0xa0 => self.a ^ other,
            _ => return None,
        })
    }

    /// How far to jump, modulo the size of an address: loops jump back.
    #[inline]
    fn jump(&self, instruction: Instruction) -> usize {
        let other = self.other(instruction.code, instruction.operand);
        let holds = match instruction.code & 0xf0 {
            0x10 => self.a == other,
            0x20 => self.a > other,
            0x30 => self.a >= other,
            0x40 => self.a & other != 0,
            _ => return back_or_ahead(instruction.operand),
        };
        usize::from(if holds { instruction.if_true } else { instruction.if_false })
    }

    /// What a return gives: the operand or the accumulator.
    #[inline]
    const fn value(&self, instruction: Instruction) -> u32 {
        if instruction.code & 0x18 == 0 { instruction.operand } else { self.a }
    }
}

/// A distance of 32 bits with a sign.
#[expect(clippy::cast_sign_loss, reason = "the sum wraps as it does for the machine's jumps")]
const fn back_or_ahead(operand: u32) -> usize {
    operand.cast_signed() as isize as usize
}
