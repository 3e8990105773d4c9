#!/usr/bin/env python3
import rig

import activation
import ends
import failures
import load
import open_things

endless = open_things.begin_endless()
load.run()
open_things.run()
failures.run()
activation.run()
ends.run()
open_things.run_endless(endless)
rig.sys.exit(rig.finish())
