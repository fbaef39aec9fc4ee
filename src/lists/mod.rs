//! Reading a municipality's list in whatever shape it comes.
