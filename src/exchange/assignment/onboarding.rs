//! The files of the onboarding tests: synthetic data in the layouts of the assignment, in the test outbox.

use serde::{Deserialize, Serialize};

use super::{
    AssignmentFault,
    commission::Commission,
    making::{Numbers, PaymentFile, data_row, lines, mark, message_id},
    payout::{Payouts, total},
    run::MadeFile,
};
use crate::{
    documents::data::gegevens,
    domain::{
        AssignmentId, Criteria, Ground, Kind,
        assignment::{PaymentTerms, Remittance},
        tells_beneficiaries,
    },
    dropbox::Area,
    exchange::{Exchange, ExchangeError, Orderer},
    register::{Register, synth::Synth},
};

/// Which test file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestFile {
    /// A data file of about the size of the real one. Fetching it whole passes the technical test.
    Technical,
    /// Payment files to import. Ops record in the tenant's file when that went well.
    Functional,
}

/// The number of children in a technical test file is that of the real one, rounded up to a multiple of this: it shows
/// the size and tells of nobody.
const ROUNDED_TO: u64 = 100;

/// Children whose payments are in a functional test file: enough to see that lines are made, few enough to delete by
/// hand.
const FUNCTIONAL_CHILDREN: u32 = 40;

/// What stands on each payment of a functional test file. Its accounts are made up, with check digits that fit, at banks
/// that there are not.
const TEST_REMITTANCE: &str = "TEST - NIET BETALEN";

/// The seed of synthetic data.
const SEED: u64 = 2027;

impl Exchange {
    /// Puts an onboarding test file in the test outbox of the assignment's tenant.
    ///
    /// # Errors
    /// [`AssignmentFault`].
    pub fn send_test(
        &self,
        id: &AssignmentId,
        file: TestFile,
        orderer: Orderer<'_>,
    ) -> Result<Vec<MadeFile>, AssignmentFault> {
        let (commission, _turn) = Commission::in_turn(self, id)?;
        self.require_room(&commission.tenant)?;
        let prepared = match file {
            TestFile::Technical => vec![self.technical(&commission)?],
            TestFile::Functional => self.functional(&commission)?,
        };
        let made = prepared.iter().map(MadeFile::of).collect();
        orderer.require()?;
        self.commit(Vec::new(), prepared)?;
        Ok(made)
    }

    fn technical(&self, commission: &Commission) -> Result<super::super::delivery::Prepared, AssignmentFault> {
        let Commission { assignment, municipality, register, .. } = commission;
        let selected = register.select(municipality.nis_code, &assignment.criteria).children().len() as u64;
        let children = selected.div_ceil(ROUNDED_TO).max(1) * ROUNDED_TO;
        let synthetic = self.synthetic(commission, u32::try_from(children).unwrap_or(u32::MAX))?;
        let clearance = commission.clear(
            self,
            &commission.tenant,
            Ground::NoPersonalData(commission.reference()),
            Kind::TechnischeTest,
        )?;
        let columns = commission.columns(Kind::Gegevens);
        let selection = synthetic.select(municipality.nis_code, &Criteria::default());
        let rows = selection.all_rights(tells_beneficiaries(&columns));
        let sequence = self.next_sequence(&commission.tenant.id)?;
        let made = self.stage(commission.outgoing(Area::Test, clearance, "csv", (sequence, None)), |out| {
            gegevens(out, &columns, rows.map(|right| data_row(&synthetic, right)))
        })?;
        Ok(made)
    }

    fn functional(&self, commission: &Commission) -> Result<Vec<super::super::delivery::Prepared>, AssignmentFault> {
        let Commission { assignment, municipality, today, .. } = commission;
        let terms = assignment.payment.as_ref().ok_or(AssignmentFault::PaysNothing)?;
        let terms = PaymentTerms { remittance: Remittance::Text(TEST_REMITTANCE.to_owned()), ..terms.clone() };
        let synthetic = self.synthetic(commission, FUNCTIONAL_CHILDREN)?;
        let selection = synthetic.select(municipality.nis_code, &Criteria::default());
        let payouts = Payouts::of(&selection, assignment.unit, terms.amount);
        let ground = Ground::NoPersonalData(commission.reference());
        let clearance = commission.clear(self, &commission.tenant, ground, Kind::FunctioneleTest)?;
        let sequence = self.next_sequence(&commission.tenant.id)?;
        let lines = lines(
            &terms,
            &payouts.to_accounts,
            &Numbers { day: *today, mark: mark(commission), sequence, lines_before: 0 },
        )?;
        let columns = commission.columns(Kind::Betaling);
        let mut prepared = Vec::new();
        for (sequence, format) in (sequence..).zip(&terms.formats) {
            let file = PaymentFile {
                terms: &terms,
                format: *format,
                columns: &columns,
                message_id: message_id(commission, sequence),
                created_at: self.parts.clock.now(),
            };
            let numbers = (sequence, Some(total(&payouts.to_accounts)));
            let outgoing = commission.outgoing(Area::Test, clearance.clone(), format.extension(), numbers);
            prepared.push(self.stage(outgoing, |out| file.write(out, &lines))?);
        }
        Ok(prepared)
    }

    /// A register of nobody, for that municipality.
    fn synthetic(&self, commission: &Commission, children: u32) -> Result<Register, ExchangeError> {
        let registers = &self.parts.registers;
        let synth = Synth { children, seed: SEED, month: commission.register.month() };
        registers.synthetic(&synth, commission.municipality.nis_code)
    }
}

impl Commission {
    /// The columns that the protocol allows for a kind, or all while there is no protocol yet.
    fn columns(&self, kind: Kind) -> Vec<crate::domain::Column> {
        let protocol = self.assignment.protocol.as_ref().and_then(|id| self.tenant.protocol(id));
        let allowed = protocol.and_then(|protocol| protocol.kinds.get(&kind));
        allowed.cloned().unwrap_or_else(|| kind.columns().to_vec())
    }
}
