"""Where clients come in: hearing, the conversation, and the stages behind them."""
