"""EchoNet-Dynamic: apical four-chamber videos with two traced frames and the ejection fraction of each."""
