#!/usr/bin/env python3
import rig

import activation
import ends
import failures
import load
import open_things

load.run()
open_things.run()
failures.run()
activation.run()
ends.run()
rig.sys.exit(rig.finish())
