//! The registers that lists are answered from: the Groeipakket's, and a synthetic one for trials.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use jiff::civil::Date;

use super::ExchangeError;
use crate::{
    domain::{Municipalities, NisCode, SourceCatalogue},
    register::{ReferenceMonth, Register, RegisterFault, synth::Synth},
};

/// Children in a tenant's synthetic register: enough for a list of real shape, made in a few milliseconds.
pub const TRIAL_CHILDREN: u32 = 400;

/// The seed of synthetic registers: the same numbers after every restart in a month.
const TRIAL_SEED: u64 = 2026;

/// The registers in use. The live one is replaced whole.
pub struct Registers {
    live: RwLock<Option<Arc<Register>>>,
    /// Held while a register is loaded.
    loading: Mutex<()>,
    trial: Mutex<HashMap<NisCode, Arc<Register>>>,
    catalogue: SourceCatalogue,
    municipalities: Municipalities,
}

/// The loading of a register, beside which there is no other.
pub struct Loading<'a> {
    registers: &'a Registers,
    _one: MutexGuard<'a, ()>,
}

impl Loading<'_> {
    /// Replaces the live register.
    pub fn replace(self, register: Arc<Register>) {
        *self.registers.live.write().unwrap_or_else(PoisonError::into_inner) = Some(register);
    }
}

impl Registers {
    /// No live register yet.
    pub fn new(catalogue: SourceCatalogue, municipalities: Municipalities) -> Self {
        Self { live: RwLock::default(), loading: Mutex::default(), trial: Mutex::default(), catalogue, municipalities }
    }

    /// The live register, as it is now; whoever holds it goes on with it when it is replaced.
    pub fn live(&self) -> Option<Arc<Register>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until nobody else loads a register: what one is compared with is what it replaces, and there is never more than
    /// one beside the live one in memory.
    pub fn loading(&self) -> Loading<'_> {
        Loading { registers: self, _one: self.loading.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// The catalogue that registers are read with.
    pub fn catalogue(&self) -> &SourceCatalogue {
        &self.catalogue
    }

    /// The table that registers are read with.
    pub fn municipalities(&self) -> &Municipalities {
        &self.municipalities
    }

    /// The synthetic register of a municipality, made at its first use since the start for the month of that day.
    ///
    /// # Errors
    /// [`ExchangeError::TrialRegister`] when a catalogue lacks the sources that the generator knows.
    pub fn trial(&self, nis_code: NisCode, today: Date) -> Result<Arc<Register>, ExchangeError> {
        let mut trial = self.trial.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(register) = trial.get(&nis_code) {
            return Ok(register.clone());
        }
        let synth = Synth { children: TRIAL_CHILDREN, seed: TRIAL_SEED, month: ReferenceMonth::from(today) };
        let register = Arc::new(self.synthetic(&synth, nis_code)?);
        trial.insert(nis_code, register.clone());
        Ok(register)
    }

    /// A synthetic register of one municipality.
    ///
    /// # Errors
    /// [`ExchangeError::TrialRegister`] when a catalogue lacks the sources that the generator knows.
    pub fn synthetic(&self, synth: &Synth, nis_code: NisCode) -> Result<Register, ExchangeError> {
        let mut extract = Vec::new();
        let written = synth.write(&self.municipalities.only(nis_code), &mut extract);
        written.map_err(|error| ExchangeError::TrialRegister(RegisterFault::Input(error)))?;
        Register::read(&extract[..], &self.catalogue, &self.municipalities).map_err(ExchangeError::TrialRegister)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::exchange::support::registers;

    #[test]
    fn of_registers_that_are_loaded_at_once_each_follows_the_one_before_it() {
        let registers = registers();
        let made = registers.trial("72004".parse().unwrap(), jiff::civil::date(2026, 11, 21)).unwrap();
        let under_way = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let loading = registers.loading();
                        assert_eq!(under_way.fetch_add(1, Ordering::SeqCst), 0, "another is loaded");
                        std::thread::yield_now();
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        loading.replace(made.clone());
                    }
                });
            }
        });
        assert!(registers.live().is_some());
    }
}
