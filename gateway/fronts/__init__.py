"""How clients come in; a front translates and decides nothing."""
