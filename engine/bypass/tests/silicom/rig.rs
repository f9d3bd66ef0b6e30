//! Cards to test with.

use std::time::Duration;

use twinline_bypass::model::silicom::{Model, Parameters};
use twinline_bypass::silicom::{Adapter, Board, Family, Media};
use twinline_bypass::{Card, CardError, Delay, Function, Path, RegisterIo};

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub const fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

/// Every board whose pins differ from another's.
pub const BOARDS: [Board; 8] = [
    board(Family::Classic, Media::Copper),
    board(Family::Classic, Media::Fiber),
    board(Family::Fiber82575, Media::Fiber),
    board(Family::I350, Media::Copper),
    board(Family::I350, Media::Fiber),
    board(Family::X82598, Media::Fiber),
    board(Family::X82599, Media::Fiber),
    board(Family::X540, Media::Copper),
];

pub const I350: Board = BOARDS[3];

pub const fn board(family: Family, media: Media) -> Board {
    Board { family, media }
}

/// A card, and the driver that has opened it.
pub fn open(board: Board, parameters: &Parameters) -> (Model, Adapter<Model>) {
    let model = Model::new(board, parameters);
    let adapter = Adapter::open(model.clone(), board, false).unwrap();
    (model, adapter)
}

/// The same, inline.
pub fn inline(board: Board, parameters: &Parameters) -> (Model, Adapter<Model>) {
    let (model, mut adapter) = open(board, parameters);
    adapter.set_path(Path::Inline).unwrap();
    assert_eq!(model.path(), Path::Inline);
    (model, adapter)
}

/// An access, as a driver makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read(u32),
    Write(u32),
}

/// Writes down every access on its way to the card.
pub struct Recorder {
    pub model: Model,
    pub log: std::sync::Arc<std::sync::Mutex<Vec<Entry>>>,
}

/// When, where, what.
pub type Entry = (Duration, Function, u32, Access);

impl RegisterIo for Recorder {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        let value = self.model.read(function, offset)?;
        let entry = (self.model.now(), function, offset, Access::Read(value));
        self.log.lock().unwrap().push(entry);
        Ok(value)
    }

    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError> {
        let entry = (self.model.now(), function, offset, Access::Write(value));
        self.log.lock().unwrap().push(entry);
        self.model.write(function, offset, value)
    }
}

impl Delay for Recorder {
    fn wait(&mut self, at_least: Duration) {
        self.model.wait(at_least);
    }
}
