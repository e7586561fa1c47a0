# EVKV_SANITIZE and EVKV_COVERAGE, for everything that is built.

if(EVKV_SANITIZE)
	add_compile_options(-fsanitize=${EVKV_SANITIZE}
		-fno-omit-frame-pointer -g)
	add_link_options(-fsanitize=${EVKV_SANITIZE})
	if(EVKV_SANITIZE MATCHES undefined)
		# A report has to end the program: Criterion would hide it.
		add_compile_options(-fno-sanitize-recover=all)
	endif()
endif()

if(EVKV_COVERAGE)
	# Threads count too, and children that end by a signal write nothing.
	add_compile_options(--coverage -fprofile-update=atomic)
	add_link_options(--coverage)
endif()
