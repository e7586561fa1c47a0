# Headers, libraries, evkv.pc and evkvConfig.cmake.
