//! The controller's side of the wire: edges to bits, bits to words.

use std::time::Duration;

use super::card::Card;
use super::params::Params;

/// A word on its way in.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    bits: u32,
    word: u32,
    answer: u32,
}

#[derive(Debug)]
pub struct Mcu {
    at_stop: bool,
    idle_sdo: bool,
    sck: bool,
    sdi: bool,
    sdo: bool,
    word: Option<Word>,
    deaf: u32,
    busy_until: Duration,
    words: u32,
}

impl Mcu {
    pub fn new(params: &Params) -> Self {
        Self {
            at_stop: params.at_stop,
            idle_sdo: params.idle_sdo,
            sck: true,
            sdi: true,
            sdo: params.idle_sdo,
            word: None,
            deaf: 0,
            busy_until: Duration::ZERO,
            words: 0,
        }
    }

    pub fn lose(&mut self, words: u32) {
        self.deaf = words;
    }

    pub fn busy_until(&mut self, until: Duration) {
        self.busy_until = until;
    }

    pub fn sdo(&self) -> bool {
        self.sdo
    }

    pub fn words(&self) -> u32 {
        self.words
    }

    /// It has lost its power, and forgets the word that it was hearing.
    pub fn reset(&mut self) {
        self.word = None;
        self.sdo = self.idle_sdo;
    }

    /// The host's lines have these levels now.
    pub fn lines(&mut self, card: &mut Card, sck: bool, sdi: bool) {
        let (was_sck, was_sdi) = (self.sck, self.sdi);
        (self.sck, self.sdi) = (sck, sdi);
        if !card.supply() {
            return;
        }
        match (was_sck, sck) {
            (true, true) if was_sdi && !sdi => self.start(card),
            (true, true) if !was_sdi && sdi => self.stop(card),
            (false, true) => self.rise(card, sdi),
            (true, false) => self.fall(),
            _ => {}
        }
    }

    fn start(&mut self, card: &Card) {
        let deaf = self.deaf > 0 || card.now() < self.busy_until;
        self.deaf = self.deaf.saturating_sub(1);
        self.word = if deaf { None } else { Some(Word::default()) };
    }

    /// A bit comes in. With the second one, the page is known, and its content is taken.
    fn rise(&mut self, card: &mut Card, sdi: bool) {
        let Some(word) = &mut self.word else { return };
        if word.bits == 32 {
            return; // the clock's part in a stop
        }
        word.word = word.word << 1 | u32::from(sdi);
        word.bits += 1;
        if word.bits == 2 {
            word.answer = card.page(word.word);
        }
        if word.bits == 32 && !self.at_stop {
            let word = word.word;
            self.take(card, word);
        }
    }

    /// A bit goes out, from the third on; nobody looks at the first two.
    fn fall(&mut self) {
        if let Some(word) = &self.word
            && word.bits > 2
        {
            self.sdo = word.answer >> (32 - word.bits) & 1 != 0;
        }
    }

    fn stop(&mut self, card: &mut Card) {
        let word = self.word.take();
        self.sdo = self.idle_sdo;
        if let Some(Word { bits: 32, word, .. }) = word
            && self.at_stop
        {
            self.take(card, word);
        }
    }

    fn take(&mut self, card: &mut Card, word: u32) {
        self.words += 1;
        if word >> 29 & 1 != 0 {
            card.write(word >> 30, word & 0x1FFF_FFFF);
        }
    }
}
